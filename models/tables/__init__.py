"""The tables, one file each, and the rules that Postgres itself keeps."""
