"""What the relay's log says of leases: who came, who went, who was refused, and why."""

import pytest
from lib import net
from lib.portal_client import Refused

LINE = r"relay: lease {}: {}"


def test_a_lease_that_comes_and_goes_is_in_the_log(leases):
    relay = leases.relay()
    client = leases.client(relay)
    address = client.identity.address
    client.register()
    relay.process.wait_log(LINE.format("demo", f"registered by {address} from 127.0.0.1"))
    client.unregister()
    relay.process.wait_log(LINE.format("demo", f"ended: unregistered; held by {address} "
                                               "from 127.0.0.1"))
    client.register(ttl=1)
    relay.process.wait_log(LINE.format("demo", "ended: expired"))


def test_a_lease_that_is_refused_is_in_the_log(leases):
    relay = leases.relay()
    leases.client(relay).register()
    other = leases.client(relay)
    with pytest.raises(Refused):
        other.register()
    with pytest.raises(Refused):
        other.register(tcp_enabled=True)
    relay.process.wait_log(LINE.format("demo", f"refused to {other.identity.address} from "
                                               "127.0.0.1: hostname is already registered"))
    relay.process.wait_log("lease registration: refused to 127.0.0.1: this relay has no TCP")


@pytest.mark.parametrize("flags", [(), ("-v",)], ids=["info", "verbose"])
def test_sessions_and_visitors_are_in_it_when_wanted(world, leases, flags):
    relay = leases.relay("adit", *flags)
    leases.expose("adit", relay, world.serve(net.echo).port)
    assert leases.echoes(relay)
    leases.client(relay, "other").register()
    relay.process.wait_log(LINE.format("other", "registered"))  # what was before is there
    for line in ("session", "visitor"):
        assert (f"lease demo: {line} from 127.0.0.1\n" in relay.process.log) == bool(flags)
