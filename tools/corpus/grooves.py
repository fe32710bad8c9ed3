# SPDX-License-Identifier: GPL-3.0-or-later
"""MMA's library of accompaniment patterns ("grooves"), by family: the file."""
import os
import random
import re
from dataclasses import dataclass

# what a family is called, by words of its name; more than one may hold
GENRES = [
    ("jazz", "jazz", "swing", "foxtrot", "bigband", "quickstep", "bebop",
     "evansish", "showtune", "broadway", "charleston", "strut", "nitejazz",
     "dixie", "ragtime", "fox"),
    ("latin", "bossa", "samba", "rhumba", "rumba", "chacha", "tango", "mambo",
     "salsa", "beguine", "latin", "calypso", "cuban", "merengue", "bolero",
     "lfusion", "quando", "son.", "montuno", "reggae", "guaracha"),
    ("rock", "rock", "8beat", "twist", "metal", "surf", "shuffle2"),
    ("pop", "pop", "16beat", "shuffleboggie", "16shuffle", "lfusion",
     "latinfusion", "highfive"),
    ("electronic", "techno", "dance", "rave", "ambient", "electric", "trance",
     "house", "disco"),
    ("soul-funk", "funk", "soul", "rb", "motown", "r&b"),
    ("ballad", "ballad", "hymn"),
    ("country", "country", "western", "bluegrass", "w-rock", "desert"),
    ("folk", "folk", "spiritual", "celtic", "jig", "reel"),
    ("ethnic", "bluegrass", "western", "hillcountry", "klezmer", "polynes"),
    ("blues", "blues", "boggie", "boogie"),
    ("march-polka", "march", "polka"),
    ("waltz", "waltz"),
]


@dataclass
class Family:
    path: str
    time: int      # quarters of a bar; 6: of two beats
    names: list    # of the patterns

    def genres(self):
        name = os.path.basename(self.path).lower()
        return {g[0] for g in GENRES if any(w in name for w in g[1:])}

    def pick(self, rng, kind):
        """A pattern for intro, outro, fill or main."""
        def is_kind(n):
            tail = n.lower()
            intro, end = "intro" in tail, "end" in tail
            fill = "fill" in tail or "break" in tail
            return dict(intro=intro, outro=end, fill=fill,
                        main=not (intro or end or fill))[kind]
        names = [n for n in self.names if is_kind(n)]
        return rng.choice(names) if names else None

    def full(self, name):
        return self.path.removesuffix(".mma") + ":" + name


def read_family(root, path):
    time, names = 4, []
    with open(os.path.join(root, path), encoding="latin-1") as f:
        for line in f:
            m = re.match(r"\s*Time\s+(\d+)", line, re.I)
            if m:
                time = int(m[1])
            m = re.match(r"\s*DefGroove\s+(\S+)", line, re.I)
            if m:
                names.append(m[1])
    return Family(path, time, names)


def read_all(root, splits, split):
    out = []
    with open(splits, encoding="utf-8") as f:
        for line in f:
            path, where = line.split("\t")[:2]
            if where.strip() == split and "hiphop" not in path:
                family = read_family(root, path)
                if family.pick(random.Random(0), "main") and \
                        family.time in (3, 4, 6):
                    out.append(family)
    return out
