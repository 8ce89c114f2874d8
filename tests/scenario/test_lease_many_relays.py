"""One tunnel on several relays, good and bad, and what adit expose says of them."""

import pytest
from lib import net
from lib import portal_visitor as visitor


class Url:
    def __init__(self, url):
        self.url = url


def test_a_dead_one_and_one_that_refuses_disturb_no_good_one(world, leases):
    good = leases.relay("python")
    refusing = leases.relay("python", root="refusing.localhost")
    refusing.script.refuse("/sdk/register", "hostname_conflict", "somebody has that name")
    dead = Url(f"https://dead.localhost:{net.free_port()}")
    client = leases.expose("adit", [good, refusing, dead], world.serve().port, wait=False)
    leases.wait_alive(good, "demo." + good.root, client)
    assert leases.echoes(good) and leases.echoes(good)
    client.wait_log("somebody has that name.*nothing is published there")
    client.wait_log("refused")
    client.wait_log(r"visitor 2: ")
    assert client.out.count(f"Public at https://demo.{good.root}") == 1
    assert "refusing.localhost" not in client.out and "dead.localhost" not in client.out
    for words in ("somebody has that name", "Connection refused", "visitor 1: ", "visitor 2: "):
        assert client.log.lower().count(words.lower()) == 1, client.log
    assert refusing.script.count("/sdk/register") == 1  # final


@pytest.mark.parametrize("code", ["rate_limited", "lease_rejected", "internal"])
def test_a_transient_failure_is_retried_and_logged_once(world, leases, code):
    relay = leases.relay("python")
    relay.script.refuse("/sdk/register", code, "not just now")
    client = leases.expose("adit", relay, world.serve().port, wait=False)
    net.wait_until(lambda: relay.script.count("/sdk/register") >= 3, 20)
    assert client.log.count("not just now") == 1
    relay.script.refusals.clear()
    leases.wait_alive(relay, "demo." + relay.root, client)
    assert leases.echoes(relay)


def test_a_relay_that_comes_back_is_used_again(world, leases):
    one, two = leases.relay("adit"), leases.relay("python", root="two.localhost")
    client = leases.expose("adit", [one, two], world.serve().port)
    one.kill()
    assert visitor.echoes(two.sni_port, "demo.two.localhost", leases.ca)
    one.process = one.again()
    visitor.wait_served(one.sni_port, "demo." + one.root, leases.ca, 10)
    client.wait_log("public again")
    assert client.log.count("public again") == 1
    assert client.out.count(f"Public at https://demo.{one.root}") == 1
