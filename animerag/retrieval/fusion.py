"""Which evidence leads: shows that are named or asked for by relation first, then likeness of meaning and of words.

Also decides when there is nothing: no name, no field, and no search that is sure enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from animerag.models import Evidence, Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from animerag.models import Show
    from animerag.ports import Neighbour
    from animerag.query.titles import AliasMatch
    from animerag.storage.full_text import WordHit

# One point of BM25 against cosine similarity: half as much and three times as much find fewer plots, on every
# catalogue that was tried (docs/quality.md has the curve).
_WORD_WEIGHT = 0.005
# A long question retells a scene, and the nearest passage counts up to this much against the whole synopsis. A short
# one names a kind of show: the fewer words it has, the more the tags count beside it.
_PASSAGE_WEIGHT, _LONG = 0.3, 6
_TAGS_WEIGHT, _TOO_LONG = 0.3, 12
# Below this best score the catalogue has nothing on the question; calibrated on the sample's questions.
_NO_MATCH_BELOW = 0.25
_PREFERRED = 0.1
_DIGITS = 4  # processors differ in the seventh digit of a similarity; no ranking hangs on the fifth


def rounded(value: float) -> float:
    """Return a similarity, distance or score as it is ranked: the same on every processor, so that ties are ties."""
    return round(value, _DIGITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """Cosine similarity of a question with a show's nearest passage and with its tags; 0 where it has none."""

    passage: float = 0.0
    tags: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What every branch found. `lead` comes first whatever the searches say; `led_by` says how each of it got there."""

    matches: Sequence[AliasMatch] = ()
    hits: Sequence[WordHit] = ()
    neighbours: Sequence[Neighbour] = ()
    preferred: AbstractSet[str] = frozenset()
    likeness: Mapping[str, Likeness] = field(default_factory=dict)  # of those that were looked into
    length: int = 0  # of the question, in words that carry meaning
    lead: Sequence[str] = ()
    led_by: Mapping[str, str] = field(default_factory=dict)
    votes: Mapping[str, int] = field(default_factory=dict)  # of each show, to order what scores alike

    def scores(self) -> dict[str, float]:
        """Return by id what orders the shows that nothing leads.

        A show that the vector search did not return is taken to be as far as the farthest one it did, and one that was
        not looked into as the least like by its tags.
        """
        part = _PASSAGE_WEIGHT * min(1.0, self.length / _LONG) if self.likeness else 0.0
        nothing = Likeness()
        similarity = {
            near.id: (1 - part) * (1.0 - near.distance) + part * self.likeness.get(near.id, nothing).passage
            for near in self.neighbours
        }
        words = {hit.id: hit.score for hit in self.hits}
        tags = {show_id: near.tags for show_id, near in self.likeness.items()}
        farthest, least = min(similarity.values(), default=0.0), min(tags.values(), default=0.0)
        tags_weight = _TAGS_WEIGHT * max(0.0, 1 - self.length / _TOO_LONG)
        return {
            show_id: rounded(
                similarity.get(show_id, farthest)
                + _WORD_WEIGHT * words.get(show_id, 0.0)
                + _PREFERRED * (show_id in self.preferred)
                + tags_weight * tags.get(show_id, least)
            )
            for show_id in dict.fromkeys((*similarity, *words))
        }

    def evidence(self) -> dict[str, list[Evidence]]:
        """Return by id how each show was found, strongest evidence first."""
        found: dict[str, list[Evidence]] = {}
        for rank, match in enumerate(self.matches, 1):
            found.setdefault(match.id, []).append(Evidence(branch="alias", rank=rank, detail=match.title))
        for rank, (show_id, detail) in enumerate(self.led_by.items(), 1):
            found.setdefault(show_id, []).append(Evidence(branch="relation", rank=rank, detail=detail))
        for rank, hit in enumerate(self.hits, 1):
            found.setdefault(hit.id, []).append(Evidence(branch="words", rank=rank))
        for rank, near in enumerate(sorted(self.neighbours, key=self._nearest_first), 1):
            found.setdefault(near.id, []).append(Evidence(branch="vector", rank=rank, distance=near.distance))
        return found

    def ranked(self) -> list[str]:
        """Return the ids of all candidates, best first; of those that score alike the one with more votes."""
        scores = self.scores()
        by_score = sorted(scores, key=lambda show_id: (-scores[show_id], -self.votes.get(show_id, 0), show_id))
        return list(dict.fromkeys((*self.lead, *by_score, *(match.id for match in self.matches))))

    def _nearest_first(self, near: Neighbour) -> tuple[float, int, str]:
        return near.distance, -self.votes.get(near.id, 0), near.id


def sources(candidates: Candidates, shows: Mapping[str, Show], ids: Sequence[str]) -> list[Source]:
    """Return those of the shows that the catalogue still has, with the evidence for each."""
    evidence, scores = candidates.evidence(), candidates.scores()
    return [
        Source(show=shows[one], evidence=tuple(evidence.get(one, ())), score=scores.get(one, 0.0))
        for one in ids
        if one in shows
    ]


def nothing_found(candidates: Candidates) -> bool:
    """Tell whether no search is sure enough of anything."""
    if candidates.lead:
        return False
    return max(candidates.scores().values(), default=0.0) < _NO_MATCH_BELOW
