"""What an administrator asks of a relay, through its API."""

import base64


def b64(text):
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


class Admin:
    """A wallet that signs in at a relay. client knows where that is."""

    def __init__(self, client, wallet):
        self.client, self.wallet = client, wallet
        self.cookie = None

    def ask(self, method, path, body=None):
        headers = {"Cookie": self.cookie} if self.cookie else {}
        return self.client.ask(method, path, body, headers)

    def want(self, method, path, body=None):
        answer = self.ask(method, path, body)
        assert answer.status == 200, answer.body
        return answer.data

    def sign_in(self):
        asked = self.ask("POST", "/admin/auth/challenge", {"address": self.wallet.address})
        if asked.status != 201:
            return asked
        text = asked.data["siwe_message"]
        answer = self.ask("POST", "/admin/auth/login", {
            "challenge_id": asked.data["challenge_id"], "siwe_message": text,
            "siwe_signature": self.wallet.sign_personal(text)})
        if answer.status == 200:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def lease(self, method, client, what, body=None):
        path = f"/admin/leases/{b64(client.identity.name)}/{b64(client.identity.address)}/{what}"
        return self.want(method, path, body)
