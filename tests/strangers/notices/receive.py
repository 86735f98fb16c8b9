"""Receivers of notices that are not ours: the verifier of Standard Webhooks, and SMTP servers of aiosmtpd, one of them behind STARTTLS and a login.

Called with a folder for its certificates. Says on stdout where it listens, as one JSON object, then each thing that came, one JSON object
a line. It ends when its stdin does.
"""

import json
import socket
import ssl
import subprocess
import sys
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from standardwebhooks import Webhook, WebhookVerificationError

SECRET, USER, PASSWORD = sys.argv[2:5]
folder = Path(sys.argv[1])
lock = Lock()


def say(what):
    with lock:
        print(json.dumps(what), flush=True)


def openssl(*words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def certified(name):
    """An authority of this name, and a certificate by it for localhost."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", f"{name}-leaf.key", "-out", f"{name}.csr")
    (folder / "san").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    authority = ("-CA", f"{name}.pem", "-CAkey", f"{name}.key", "-CAcreateserial")
    openssl("x509", "-req", "-in", f"{name}.csr", *authority, "-days", "2", "-extfile", "san", "-out", f"{name}-leaf.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}-leaf.pem", folder / f"{name}-leaf.key")
    return context


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            told = Webhook(SECRET).verify(body.decode(), headers)
            say({"by": "webhook", "key": headers["webhook-id"], "id": told["data"]["id"], "type": told["type"]})
        except WebhookVerificationError as error:
            say({"by": "webhook", "wrong": str(error)})
        try:
            Webhook(SECRET).verify(body.decode() + " ", headers)
            say({"by": "webhook", "wrong": "a body that was changed is taken"})
        except WebhookVerificationError:
            pass
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Mailbox:
    def __init__(self, name):
        self.name = name

    async def handle_DATA(self, server, session, envelope):
        message = message_from_bytes(envelope.content, policy=policy.default)
        say({
            "by": self.name, "key": message["message-id"], "subject": message["subject"], "from": envelope.mail_from, "to": envelope.rcpt_tos,
            "text": message.get_content(), "encrypted": session.ssl is not None, "login": session.authenticated,
            "defects": [str(defect) for defect in message.defects], "date": message["date"],
        })
        return "250 taken"


def knows(server, session, envelope, mechanism, data):
    holds = isinstance(data, LoginPassword) and data.login == USER.encode() and data.password == PASSWORD.encode()
    return AuthResult(success=holds, handled=False)


def mailbox(name, **options):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    Controller(Mailbox(name), hostname="127.0.0.1", port=port, **options).start()
    return port


hook = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
Thread(target=hook.serve_forever, daemon=True).start()
behind = {"require_starttls": True, "auth_required": True, "authenticator": knows}
say({
    "webhook": hook.server_address[1],
    "plain": mailbox("plain"),
    "secure": mailbox("secure", tls_context=certified("known"), **behind),
    "stranger": mailbox("stranger", tls_context=certified("unknown"), **behind),
    "trusted": str(folder / "known.pem"),
})
sys.stdin.read()
