"""Keys, addresses, signatures and derived names of leases: pure Python, from the
protocol's description, so that it shares nothing with adit but that text."""

import base64
import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# ---- keccak-256, with the padding of before it became SHA-3 ----

_ROTATIONS = ((0, 36, 3, 41, 18), (1, 44, 10, 45, 2), (62, 6, 43, 15, 61),
              (28, 55, 25, 21, 56), (27, 20, 39, 8, 14))
_MASK = (1 << 64) - 1


def _round_constants():
    state = 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            if state & 1:
                constant |= 1 << ((1 << j) - 1)
            state = (state << 1) ^ (0x171 if state & 0x80 else 0)
        yield constant


_CONSTANTS = list(_round_constants())


def _rotate(x, n):
    return (x << n | x >> (64 - n)) & _MASK if n else x


def _permute(a):
    for constant in _CONSTANTS:
        c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        d = [c[x - 1] ^ _rotate(c[(x + 1) % 5], 1) for x in range(5)]
        b = [[0] * 5 for _ in range(5)]
        for x in range(5):
            for y in range(5):
                b[y][(2 * x + 3 * y) % 5] = _rotate(a[x][y] ^ d[x], _ROTATIONS[x][y])
        for x in range(5):
            for y in range(5):
                a[x][y] = b[x][y] ^ (~b[(x + 1) % 5][y] & b[(x + 2) % 5][y] & _MASK)
        a[0][0] ^= constant


def keccak256(data):
    rate = 136
    padded = bytearray(data) + b"\x01" + bytes(rate - 1 - len(data) % rate)
    padded[-1] |= 0x80
    state = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), rate):
        for i in range(rate // 8):
            lane = int.from_bytes(padded[start + 8 * i:start + 8 * i + 8], "little")
            state[i % 5][i // 5] ^= lane
        _permute(state)
    return b"".join(state[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


# ---- secp256k1; a point is (x, y), None is infinity ----

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)


def _add(a, b):
    if a is None:
        return b
    if b is None:
        return a
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def _times(k, point):
    total = None
    while k:
        if k & 1:
            total = _add(total, point)
        point = _add(point, point)
        k >>= 1
    return total


def _nonces(d, digest):
    """RFC 6979 with SHA-256."""
    def mac(key, data):
        return hmac.new(key, data, hashlib.sha256).digest()

    seed = d.to_bytes(32, "big") + (int.from_bytes(digest, "big") % N).to_bytes(32, "big")
    v, k = b"\x01" * 32, bytes(32)
    for byte in (b"\x00", b"\x01"):
        k = mac(k, v + byte + seed)
        v = mac(k, v)
    while True:
        v = mac(k, v)
        nonce = int.from_bytes(v, "big")
        if 0 < nonce < N:
            yield nonce
        k = mac(k, v + b"\x00")
        v = mac(k, v)


def sign(d, digest, low=True):
    """Gives (r, s, recovery id)."""
    z = int.from_bytes(digest, "big")
    for k in _nonces(d, digest):
        x, y = _times(k, G)
        r = x % N
        s = pow(k, -1, N) * (z + r * d) % N
        if r == 0 or s == 0:
            continue
        flag = y & 1 | (2 if x >= N else 0)
        if (s > N // 2) == low:
            s, flag = N - s, flag ^ 1
        return r, s, flag


def recover(digest, r, s, flag):
    """The public point that made a signature, or None."""
    x = r + (N if flag & 2 else 0)
    square = (pow(x, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if not 0 < r < N or not 0 < s < N or y * y % P != square:
        return None
    point = (x, y if y & 1 == flag & 1 else P - y)
    inverse = pow(r, -1, N)
    z = int.from_bytes(digest, "big")
    return _add(_times(s * inverse % N, point), _times(-z * inverse % N, G))


def eip55(address):
    """Mixed case, as the hash of the lower-case digits says."""
    digits = address.lower().removeprefix("0x")
    marks = keccak256(digits.encode()).hex()
    return "0x" + "".join(c.upper() if int(m, 16) > 7 else c for c, m in zip(digits, marks))


def address_of(point):
    text = point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")
    return eip55(keccak256(text)[-20:].hex())


def personal_digest(text):
    data = text.encode()
    return keccak256(b"\x19Ethereum Signed Message:\n%d" % len(data) + data)


def sign_personal(d, text, low=True):
    r, s, flag = sign(d, personal_digest(text), low)
    return f"0x{r:064x}{s:064x}{27 + flag:02x}"


def recover_personal(text, signature):
    """The address that signed, or None."""
    raw = bytes.fromhex(signature.removeprefix("0x"))
    if not signature.startswith("0x") or len(raw) != 65 or raw[64] not in (0, 1, 27, 28):
        return None
    point = recover(personal_digest(text), int.from_bytes(raw[:32], "big"),
                    int.from_bytes(raw[32:64], "big"), raw[64] % 27)
    return address_of(point) if point else None


# ---- identities, and what is derived from them ----

def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Identity:
    def __init__(self, name, d=None, token_secret=None):
        self.name = name
        self.d = d or secrets.randbelow(N - 1) + 1
        self.point = _times(self.d, G)
        self.address = address_of(self.point)
        self.token_secret = token_secret or base64url(secrets.token_bytes(32))

    @property
    def key(self):
        return f"{self.name.lower()}:{self.address.lower()}"

    def renamed(self, name):
        return Identity(name, self.d, self.token_secret)

    def message(self):
        return {"name": self.name, "address": self.address}

    def file(self):
        """What an identity file holds."""
        x, y = self.point
        return {"name": self.name, "address": self.address,
                "public_key": f"{2 + (y & 1):02x}{x:064x}", "private_key": f"{self.d:064x}",
                "token_secret": self.token_secret}

    def sign_personal(self, text, low=True):
        return sign_personal(self.d, text, low)

    def derive_token(self, *parts):
        text = "Portal identity token v1\n" + self.key
        for part in parts:
            text += f"\n{len(part.strip().encode())}:{part.strip()}"
        return base64url(hmac.new(self.token_secret.encode(), text.encode(),
                                  hashlib.sha256).digest())

    def route_hostname(self, root):
        token = self.derive_token("ech-route", f"{self.name}.{root}", root)
        label = base64.b32encode(hashlib.sha256(token.encode()).digest()[:20])
        return f"ech-{label.decode().lower()}.{root}"

    def ech(self, root):
        """Gives (private key, ECHConfigList) of the tenant."""
        route = self.route_hostname(root)
        seed = self.derive_token("tenant-ech", f"{self.name}.{root}", route)
        private = HKDF(hashes.SHA256(), 32, None,
                       b"portal relay ech v1:" + route.encode()).derive(seed.encode())
        public = x25519.X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return private, ech_config_list(route, public)


def ech_config_list(name, public):
    number = hashlib.sha256(b"portal relay ech config id v1\0" + name.encode() + b"\0"
                            + public).digest()[:1]
    body = (number + b"\x00\x20" + b"\x00\x20" + public + b"\x00\x04\x00\x01\x00\x01" + b"\xff"
            + bytes([len(name)]) + name.encode() + b"\x00\x00")
    config = b"\xfe\x0d" + len(body).to_bytes(2, "big") + body
    return len(config).to_bytes(2, "big") + config


def hostname_hash(host):
    normal = host.strip().lower().removesuffix(".")
    return base64url(hashlib.sha256(b"portal hostname hash v1\0" + normal.encode()).digest())
