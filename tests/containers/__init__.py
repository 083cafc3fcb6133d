"""`make containers`: the image and the compose file on a Docker engine of their own."""
