"""Configurations of other people's servers: nginx and the two kinds of proxy."""

import os

# The location block is the contract's, letter for letter, but for the port.
NGINX = """\
daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log stderr info;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    access_log {dir}/nginx.access;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    server {{
        listen {address}:{listen} ssl;
        server_name localhost tunnel.example.com;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            # Long timeout for WebSocket tunnel connections
            proxy_read_timeout 86400s;
            proxy_send_timeout 86400s;
        }}
    }}
}}
"""


STATIC = """\
daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log stderr info;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    types {{ text/plain txt; }}
    gzip on;
    gzip_types text/plain;
    gzip_min_length 0;
    gzip_proxied any;
    server {{
        listen 127.0.0.1:{listen};
        root {dir};
    }}
}}
"""


def static_config(directory, listen):
    path = os.path.join(directory, "static.conf")
    with open(path, "w") as f:
        f.write(STATIC.format(dir=directory, listen=listen))
    return path


def nginx_config(directory, listen, backend, cert, key, address="127.0.0.1"):
    path = os.path.join(directory, "nginx.conf")
    with open(path, "w") as f:
        f.write(NGINX.format(dir=directory, listen=listen, backend=backend, cert=cert,
                             key=key, address=address))
    return path


def tinyproxy_config(directory, port, user=None, password=None):
    path = os.path.join(directory, "tinyproxy.conf")
    with open(path, "w") as f:
        f.write(f"Port {port}\nListen 127.0.0.1\nTimeout 600\nAllow 127.0.0.1\n"
                f"MaxClients 100\nPidFile \"{directory}/tinyproxy.pid\"\nLogLevel Connect\n")
        if user:
            f.write(f"BasicAuth {user} {password}\n")
    return path
