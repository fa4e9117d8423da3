"""What a replica at a peer costs the intake: a node without a peer beside pairs of nodes, with each COPY. Both of a
pair are on this machine, so the rate pays for what the peer does, too; what the node that takes the items
pays itself is its processor time for each of them."""

import load
import servers
import standing
from measure import POOL

PEER_TOKEN = "a token of the benchmark's peers"
WHAT = "enqueue 16 KB, 16 clients, with a peer"


def measure(bench):
    with bench.section("peers"):
        compared = {"none": bench.node("alone", PROCESSES_PUBLIC=POOL)}
        for copy in ("none", "async", "sync"):
            compared[f"COPY={copy}"] = pair(bench, copy)
        body = bench.body(16384)
        with bench.quiet():
            for node in compared.values():
                load.put_for(node.url, body, 16, 1)
        bench.interleave(WHAT, {
            name: lambda node=node: put(node, body, bench.seconds)
            for name, node in compared.items()})


def put(node, body, seconds):
    """One run; cpu_us is the node's processor time for an enqueue, nginx's included."""
    pids = node.process_ids()
    before = sum(map(standing.run_ns, pids))
    result = load.put_for(node.url, body, 16, seconds)
    result["cpu_us"] = (sum(map(standing.run_ns, pids)) - before) / 1000 / result["requests"]
    return result


def pair(bench, copy):
    """Two nodes that are each other's peers. The first, which takes the load."""
    ports = [servers.free_port_pair(), servers.free_port_pair()]
    nodes = [bench.node(f"{copy}-{number}", port=ports[number], PROCESSES_PUBLIC=POOL, NODE=number,
                        COPY=copy, PEER_TOKEN=PEER_TOKEN,
                        PEERS=f"{1 - number}=http://127.0.0.1:{ports[1 - number] + 1}")
             for number in (0, 1)]
    return nodes[0]
