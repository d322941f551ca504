"""Which small shards are merged, and when: a function of their sizes, and of nothing else.

What lives here: the trade between how many shards there are and how often a byte is written again. What does not: the
merging (`compaction`). docs/decisions/0015 has the evidence for the numbers.
"""

from collections.abc import Sequence
from itertools import chain

MOST_SMALL = 10
_REWRITES = 4


def choose_merge(sizes: Sequence[int], largest: int, most_small: int = MOST_SMALL) -> tuple[int, ...]:
    """The positions of the shards to make one shard of now; none while at most ``most_small`` shards are small.

    ``sizes`` are in bytes; small is below half of ``largest``, which the merged shard does not exceed either. The
    smallest are merged, and each larger one that the k smaller ones outweigh by k to `_REWRITES`: this is when one that
    was merged `_REWRITES` times before is due, if all of them were laid down as the k-binomial counter does it, which
    for a given number of shards writes least. Merging as chosen until nothing is leaves at most ``most_small`` small.
    """
    small = sorted((size, position) for position, size in enumerate(sizes) if 2 * size < largest)
    if len(small) <= most_small:
        return ()
    chosen, total = 2, small[0][0]
    for k, (size, _) in enumerate(small[1:], start=1):
        total += size
        if total > largest:
            break
        if size * k <= _REWRITES * (total - size):
            chosen = k + 1
    return tuple(position for _, position in small[:chosen])


def plan_merges(sizes: Sequence[int], largest: int, most_small: int = MOST_SMALL) -> tuple[tuple[int, ...], ...]:
    """The positions of the shards to make each one shard of, so that `choose_merge` then finds nothing to do.

    The shards are those that merging as it chooses, again and again, ends with. A byte is written for the last of its
    merges alone.
    """
    pieces: list[tuple[tuple[int, ...], int]] = [((position,), size) for position, size in enumerate(sizes)]
    while chosen := choose_merge([size for _, size in pieces], largest, most_small):
        merged = [pieces[each] for each in chosen]
        pieces = [piece for place, piece in enumerate(pieces) if place not in set(chosen)]
        pieces.append((tuple(sorted(chain(*(each for each, _ in merged)))), sum(size for _, size in merged)))
    return tuple(positions for positions, _ in pieces if len(positions) > 1)
