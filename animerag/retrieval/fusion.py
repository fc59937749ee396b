"""Which evidence leads: shows that are named or asked for by relation first, the others by a learnt weighted sum.

Also decides when there is nothing: no name, no field, and no search that is sure enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from animerag.models.retrieval import Evidence, Source
from animerag.retrieval.ranking_model import Features, ranking_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from animerag.models.shows import Show
    from animerag.ports import Neighbour
    from animerag.query.titles import AliasMatch
    from animerag.storage.word_hits import WordHit

# A long question retells a scene, as a passage does; a short one names a kind of show, as tags do. In words.
_LONG, _TOO_LONG = 6, 12
# Below this best likeness the catalogue has nothing on the question; calibrated on the sample's questions. Likeness is
# not the score: a question about nothing in the catalogue may still share most of its words with some show.
_NO_MATCH_BELOW = 0.25
_POINT, _PASSAGE, _TAGS = 0.005, 0.3, 0.3  # what BM25, the nearest passage and the tags count beside the similarity
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
    length: int = 0  # of the question, in words that carry meaning
    coverage: Mapping[str, float] = field(default_factory=dict)  # share of the question's words that each has
    likeness: Mapping[str, Likeness] = field(default_factory=dict)  # of those that were compared in detail
    lead: Sequence[str] = ()
    led_by: Mapping[str, str] = field(default_factory=dict)
    votes: Mapping[str, int] = field(default_factory=dict)  # of each show, to order what scores alike

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the shows that vectors or words brought, each once."""
        return tuple(dict.fromkeys((*(near.id for near in self.neighbours), *(hit.id for hit in self.hits))))

    def features(self) -> dict[str, Features]:
        """Return by id what is known of the shows that nothing leads.

        A show that the vector search did not return is taken to be as far as the farthest one it did, and one that was
        not compared in detail to be as little like the question as the least of those that were.
        """
        similarity = {near.id: 1.0 - near.distance for near in self.neighbours}
        words = {hit.id: hit.score for hit in self.hits}
        farthest = min(similarity.values(), default=0.0)
        long, short, root = (
            min(1.0, self.length / _LONG),
            max(0.0, 1 - self.length / _TOO_LONG),
            self.length**0.5 or 1.0,
        )
        least = Likeness(
            passage=min((near.passage for near in self.likeness.values()), default=0.0),
            tags=min((near.tags for near in self.likeness.values()), default=0.0),
        )
        return {
            show_id: Features(
                similarity=similarity.get(show_id, farthest),
                words=words.get(show_id, 0.0) / root,
                coverage=self.coverage.get(show_id, 0.0),
                passage=long * self.likeness.get(show_id, least).passage,
                tags=short * self.likeness.get(show_id, least).tags,
            )
            for show_id in self.ids
        }

    def scores(self) -> dict[str, float]:
        """Return by id what orders the shows that nothing leads."""
        model = ranking_model()
        return {
            show_id: rounded(model.score(features) + _PREFERRED * (show_id in self.preferred))
            for show_id, features in self.features().items()
        }

    def likeness_of_best(self) -> float:
        """Return how like the question the likeliest show is, for telling whether there is any."""
        root = self.length**0.5 or 1.0
        part = _PASSAGE * min(1.0, self.length / _LONG) if self.likeness else 0.0
        return max(
            (
                (1 - part) * one.similarity
                + (_PASSAGE * one.passage if self.likeness else 0.0)
                + _POINT * one.words * root
                + _TAGS * one.tags
                + _PREFERRED * (show_id in self.preferred)
                for show_id, one in self.features().items()
            ),
            default=0.0,
        )

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
    return not candidates.lead and candidates.likeness_of_best() < _NO_MATCH_BELOW
