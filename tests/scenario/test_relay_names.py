"""A name is its holder's: over a restart of the relay, and for a while after its lease."""

import os
import shutil
import signal
import subprocess
import threading

import pytest
from lib import net
from lib.portal_client import Refused
from lib.portal_crypto import Identity


class Stranger:
    """Asks for a name all the time, whoever has it."""

    def __init__(self, leases, relay, name):
        self.client = leases.client(relay, name, identity=Identity(name))
        self.answers, self.is_asking = [], True
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self):
        while self.is_asking:
            try:
                self.client.register()
                self.answers.append((201, ""))
            except Refused as refused:
                self.answers.append((refused.status, refused.code))
            except (OSError, EOFError):
                self.answers.append(None)  # there is no relay just now

    def close(self):
        self.is_asking = False
        self.thread.join(20)


def wait_answers(stranger, count=3):
    seen = len(stranger.answers)
    net.wait_until(lambda: sum(a is not None for a in stranger.answers[seen:]) >= count)


@pytest.mark.parametrize("holder", ["adit", "stock", "peer"])
def test_a_stranger_who_keeps_asking_never_gets_it(world, leases, holder):
    relay = leases.relay()
    leases.expose(holder, relay, world.serve(net.echo).port)
    stranger = world.keep(Stranger(leases, relay, "demo"))
    wait_answers(stranger)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        os.kill(relay.process.pid, number)
        relay.process.wait_exit()
        relay.process.kill()
        relay.process = relay.again()
        wait_answers(stranger)
        leases.wait_alive(relay, "demo." + relay.root, seconds=30)
        assert leases.echoes(relay)
        wait_answers(stranger)
    stranger.close()
    # 400: a challenge of the relay that ended, answered to the next one.
    assert set(stranger.answers) <= {None, (409, "hostname_conflict"), (429, "rate_limited"),
                                     (400, "invalid_request")}
    assert (409, "hostname_conflict") in stranger.answers


def refused(client, **fields):
    with pytest.raises(Refused) as refusal:
        client.register(**fields)
    return refusal.value.status, refusal.value.code


def expired(relay, client):
    """The client's lease, which had a session, has ended by itself."""
    client.register(ttl=1)
    session = client.session()
    assert session.activation(15) == b""
    relay.process.wait_log("lease demo: ended: expired")


def test_a_name_that_expired_is_kept_for_its_holder(leases):
    relay = leases.relay()
    holder, stranger = leases.client(relay), leases.client(relay)
    expired(relay, holder)
    assert refused(stranger) == (409, "hostname_conflict")
    relay.process.wait_log("reserved for the identity that had it last")
    relay.restart()
    assert refused(stranger) == (409, "hostname_conflict")
    holder.register()
    holder.unregister()
    stranger.register()  # given up: it is free at once
    assert refused(holder) == (409, "hostname_conflict")


@pytest.mark.parametrize("grace", ["2s", "0"])
def test_how_long_is_a_setting(leases, grace):
    relay = leases.relay("adit", "--name-grace", grace)
    holder, stranger = leases.client(relay), leases.client(relay)
    expired(relay, holder)
    if grace != "0":
        assert refused(stranger) == (409, "hostname_conflict")

    def is_free():
        try:
            return stranger.register()
        except Refused:
            return None
    net.wait_until(is_free, 10)


@pytest.mark.parametrize("action, with_lease", [
    ("deny", True), ("ban", True), ("ban 127.0.0.1", True), ("deny", False), ("ban", False)])
def test_a_holder_who_is_refused_loses_the_name(leases, action, with_lease):
    relay = leases.relay()
    holder, stranger = leases.client(relay), leases.client(relay)
    if with_lease:
        holder.register()
        session = holder.session()
    else:
        expired(relay, holder)

    def say(*words):
        subprocess.run([relay.process.argv[0], "relay", "lease", *words, "--identity-path",
                        relay.state], check=True, timeout=20)

    if action == "ban 127.0.0.1":
        say("ban", "127.0.0.1")
        say("unban", "127.0.0.1")
    else:
        say(action, "demo" if with_lease else f"demo:{holder.identity.address}")
    if with_lease:
        session.close()
        net.wait_quietly(1.5)  # the store follows within a second
        relay.restart()
    stranger.register()


def test_an_unused_lease_reserves_no_name(leases):
    relay = leases.relay()
    holder, stranger = leases.client(relay), leases.client(relay)
    holder.register(ttl=1)
    relay.process.wait_log("lease demo: ended: expired")
    stranger.register()


def test_a_reserved_name_is_refused_with_its_reason(leases):
    client = leases.expose("adit", leases.relay(), 9, name="www", wait=False)
    assert client.wait_exit() == 1
    assert ("the name www is reserved at this relay: the name www is taken or reserved there; "
            "choose another --name") in client.log


def test_a_network_has_so_many_names(leases):
    relay = leases.relay("adit", "--leases-per-network", "2", "--leases-exempt", "192.0.2.0/24")
    for name in ("one", "two"):
        leases.client(relay, name).register()
    assert refused(leases.client(relay, "three")) == (429, "rate_limited")
    relay.process.wait_log("lease three: refused to 0x.* from 127.0.0.1: ")


@pytest.mark.parametrize("port", [False, True], ids=["name", "port"])
def test_a_full_disk_keeps_no_lease_away(world, leases, port):
    """Names are not stored then; the log says so once."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("skipped: a small file system wants root")
    if world.call(["unshare", "-m", "true"]).returncode != 0:
        pytest.skip("skipped: no mounts of our own can be made here")
    relay = leases.relay(tcp=port)
    relay.process.kill()
    small = world.path("small")
    os.mkdir(small)
    fill = (f"mount -t tmpfs -o size=1m none {small} && cp -r {relay.state}/. {small} && "
            f"dd if=/dev/zero of={small}/rest bs=4k 2>/dev/null; ")
    argv = [small if a == relay.state else a for a in relay.process.argv]
    command = fill + "exec " + " ".join(argv)
    relay.process = world.run("relay-full", ["unshare", "-m", "sh", "-c", command])
    net.wait_listening(relay.api_port, relay.process)
    client = leases.client(relay)
    client.register(tcp_enabled=port)
    relay.process.wait_log("names: not stored: .* disk is full.*; a restart would lose them")
    client.renew()
    client.unregister()


def test_an_adit_relay_takes_the_place_of_a_stock_one(world, leases):
    """The stock client keeps its name, its certificate and its token."""
    first = leases.relay("stock")
    leases.expose("stock", first, world.serve(net.echo).port)
    assert leases.echoes(first)
    first.kill()
    files = [f"{first.state}/{name}.pem" for name in ("fullchain", "privatekey")]
    relay = leases.relay("adit", state=first.state, certificate=files,
                         ports=(first.api_port, first.sni_port))
    relay.ca = first.ca
    leases.wait_alive(relay, "demo." + relay.root, seconds=30)
    assert leases.echoes(relay)
    assert refused(leases.client(relay)) == (409, "hostname_conflict")
    relay.process.wait_log("lease demo: restored after a restart")
