"""A token endpoint as fast as they come: nginx, TLS, kept connections, an answer that never changes but for the lifetime that the path names."""

import contextlib
import socket
import subprocess

from place import PATIENCE, need, until

ANSWER = ('{"access_token":"%s","token_type":"Bearer","expires_in":$life,"refresh_token":"refresh-%s"}' % ("a" * 1200, "b" * 40))

CONFIG = """\
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log crit;
events {{ worker_connections 4096; }}
http {{
        access_log off;
        client_body_temp_path {dir}/body;
        proxy_temp_path {dir}/proxy;
        fastcgi_temp_path {dir}/fastcgi;
        uwsgi_temp_path {dir}/uwsgi;
        scgi_temp_path {dir}/scgi;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
        server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate {dir}/cert.pem;
                ssl_certificate_key {dir}/key.pem;
                location ~ ^/token/(?<life>[0-9]+)$ {{
                        default_type application/json;
                        return 200 '{answer}';
                }}
        }}
}}
"""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def endpoint(directory):
    """url(lifetime) and the file of its CA."""
    nginx, openssl = need("nginx"), need("openssl")
    home = directory / "nginx"
    home.mkdir()
    subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", home / "key.pem", "-out",
                    home / "cert.pem"], check=True, stderr=subprocess.DEVNULL)
    port = free_port()
    (home / "nginx.conf").write_text(CONFIG.format(dir=home, port=port, answer=ANSWER))
    process = subprocess.Popen([nginx, "-e", "stderr", "-p", home, "-c", home / "nginx.conf"])
    try:
        until(lambda: process.poll() is not None or listens(port), "for nginx")
        assert process.poll() is None, "nginx does not start"
        yield (lambda lifetime: "https://127.0.0.1:%d/token/%d" % (port, lifetime)), home / "cert.pem"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def listens(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def hanging():
    """An endpoint that takes connections and says nothing."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(1024)
        yield "http://127.0.0.1:%d/token" % sock.getsockname()[1]
