"""The optimum in whole numbers of any size, by successive shortest paths over single users."""

from __future__ import annotations

import numpy as np

from tests.allocation.instances import Instance

# Ordinary revenues of the instances are multiples of this, so that every sum is a whole number.
CENT = 2.0**-6


def exact_optimum(instance: Instance, mode: str = "exact") -> int:
    """The highest objective, in multiples of CENT, of a feasible instance whose revenues are such multiples.

    Bellman-Ford on Python's own integers, one exposure at a time.
    """
    users, funds = instance.expected_revenue.shape
    source, sink, node = users + funds, users + funds + 1, users
    arcs: list[list[int]] = []  # from, to, capacity, cost; arc ^ 1 is its reverse

    def add(start: int, end: int, capacity: int, cost: int) -> None:
        arcs.append([start, end, capacity, cost])
        arcs.append([end, start, 0, -cost])

    for user, fund in zip(*np.nonzero(instance.eligible), strict=True):
        add(int(user), node + int(fund), 1, -int(instance.expected_revenue[user, fund] / CENT))
    for user in range(users):
        add(source, user, instance.k, 0)
    for fund in range(funds):
        add(node + fund, sink, int(instance.demand[fund]), 0)
    wanted = int(instance.demand.sum()) if mode == "partial" else instance.k * users
    total = 0
    for _ in range(wanted):
        far = None
        distance: list[int | None] = [far] * (users + funds + 2)
        distance[source] = 0
        by: list[int] = [-1] * len(distance)
        changed = True
        while changed:
            changed = False
            for number, (start, end, capacity, cost) in enumerate(arcs):
                if capacity and distance[start] is not None:
                    length = distance[start] + cost
                    if distance[end] is None or length < distance[end]:
                        distance[end], by[end], changed = length, number, True
        assert distance[sink] is not None, "the instance is not feasible"
        total += distance[sink]
        place = sink
        while place != source:
            arcs[by[place]][2] -= 1
            arcs[by[place] ^ 1][2] += 1
            place = arcs[by[place]][0]
    return -total
