"""The tests' own keys and names agree with the published vectors: the ruler is straight."""

import base64

from lib import portal_crypto as pc

KEY = 0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
SECRET = "c2VjcmV0LXRva2VuLWZvci10ZXN0LXZlY3RvcnMtMDE"
ROOT = "portal.example.com"
MESSAGE = """\
portal.example.com wants you to sign in with your Ethereum account:
0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266

Register a portal lease

URI: https://portal.example.com/sdk/register
Version: 1
Chain ID: 1
Nonce: AbCdEfGh12345678
Issued At: 2026-06-01T12:00:00Z
Expiration Time: 2026-06-01T12:02:00Z
Request ID: rch_0011223344556677"""
SIGNATURE = ("0x25f43ccdf524c3e904f38fe56daaa02559dc827378b394a3eb64df166f14f35e76ebabca69dcd5b7"
             "edb978177013a339aa23a34b84905c04c6038c29e23e685c1c")


def identity():
    return pc.Identity("demo-app", KEY, SECRET)


def test_keccak_is_the_one_before_sha3():
    assert pc.keccak256(b"").hex() == (
        "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")


def test_an_address_comes_from_the_public_key():
    assert identity().address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert identity().file()["public_key"] == (
        "038318535b54105d4a7aae60c08fc45f9687181b4fdfc625bd1a753fa7397fed75")


def test_a_message_is_signed_as_in_the_vector_and_its_signer_recovered():
    assert len(MESSAGE) == 331
    assert pc.personal_digest(MESSAGE).hex() == (
        "2a393ec7905ba9c5afd4e6bc97ee03fa6164977352e8d9f2a57b8e0d5cd05e84")
    assert identity().sign_personal(MESSAGE) == SIGNATURE
    assert pc.recover_personal(MESSAGE, SIGNATURE) == identity().address
    high = identity().sign_personal(MESSAGE, low=False)
    assert high != SIGNATURE and pc.recover_personal(MESSAGE, high) == identity().address


def test_names_and_tokens_are_derived_as_in_the_vectors():
    assert pc.hostname_hash("Demo-App.portal.example.com. ") == (
        "7lv6JrpCZLWgol62DmalYrX1AIv2q-ehEV7l-jU-OFE")
    assert identity().derive_token("ech-route", "demo-app." + ROOT, ROOT) == (
        "LcpdJecZcXQYj45YBEwRl9b0ODmL3MJUEpXYdKZ5Fs0")
    assert identity().route_hostname(ROOT) == (
        "ech-t7c4qyj4yrofp6woiuuwtyq2e2gaqgyh.portal.example.com")


def test_ech_keys_are_derived_as_in_the_vectors():
    private, configs = identity().ech(ROOT)
    assert private.hex() == "2f6ca33735364382ad0354a21711a38f0dabd1adbe071a5ffc0d99f1154e750f"
    assert base64.b64encode(configs).decode() == (
        "AGr+DQBmmgAgACAB/SuMLbkgNg2Hk9kgWNTV5N06+lBGbDKGkCmfZ31lagAEAAEAAf83ZWNoLXQ3YzRxeWo0eXJvZn"
        "A2d29pdXV3dHlxMmUyZ2FxZ3loLnBvcnRhbC5leGFtcGxlLmNvbQAA")
