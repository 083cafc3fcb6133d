# As nginx:1: its settings in /etc/nginx/nginx.conf, and a stop that ends what has begun.
FROM weelo-base
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
