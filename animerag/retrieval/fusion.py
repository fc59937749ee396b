"""Orders candidates: shows that are named or requested by relation first, the others by a learnt weighted sum.

It also decides that there is no match: no name, no field, and no search with a sufficient score.
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

# In words: a long question retells a scene, like a passage; a short one names a kind of show, like tags.
_LONG, _TOO_LONG = 6, 12
# If the best similarity is lower, the catalogue has no match; calibrated on the sample's questions. The score is not
# used for this, because a question without a match may still share most of its words with some show.
_NO_MATCH_BELOW = 0.25
# Weights of BM25, of the nearest passage and of the tags relative to the similarity.
_POINT, _PASSAGE, _TAGS = (0.005, 0.3, 0.3)
_PREFERRED = 0.1
# Among the first shows of a ranking, the best known part of a franchise comes before parts that score a little more:
# people who half remember a plot mostly mean it, and not a sequel, a recap or a film (docs/quality.md).
FIRST = 5
_LITTLE_MORE = 0.2
_DIGITS = 4  # decimals: processors differ in the seventh digit of a similarity, and no ranking depends on the fifth


def rounded(value: float) -> float:
    """Return a similarity, distance or score as it is ranked: the same on every processor, so that ties are ties."""
    return round(value, _DIGITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """Cosine similarity of a question with a show's nearest passage and with its tags; 0 if it has none."""

    passage: float = 0.0
    tags: float = 0.0


@dataclass(frozen=True, slots=True)
class KnownPremise:
    """What a show of the catalogue is known for, and the cosine similarity of that text with a question.

    `margin` is by how much it exceeds the similarity of the tenth nearest premise.
    """

    text: str
    similarity: float
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The results of all branches. The shows in `lead` come first in any case; `led_by` has the reason for each."""

    matches: Sequence[AliasMatch] = ()
    hits: Sequence[WordHit] = ()
    neighbours: Sequence[Neighbour] = ()
    preferred: AbstractSet[str] = frozenset()
    length: int = 0  # meaningful words of the question
    coverage: Mapping[str, float] = field(default_factory=dict)  # share of the question's words that each show has
    # Similarities of the shows that were compared in detail.
    likeness: Mapping[str, Likeness] = field(default_factory=dict)
    premises: Mapping[str, KnownPremise] = field(default_factory=dict)  # of well-known shows
    lead: Sequence[str] = ()
    led_by: Mapping[str, str] = field(default_factory=dict)
    votes: Mapping[str, int] = field(default_factory=dict)  # votes of each show, to order equal scores
    franchise: Mapping[str, str] = field(default_factory=dict)  # a name of the franchise of each of the first shows

    @property
    def compares_tags(self) -> bool:
        """Return whether the similarity of tags counts; it does not for long questions."""
        return self.length < _TOO_LONG

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the shows that were found by vectors, words or premises, each once."""
        ids = (*(near.id for near in self.neighbours), *(hit.id for hit in self.hits), *self.premises)
        return tuple(dict.fromkeys(ids))

    def features(self) -> dict[str, Features]:
        """Return the features of all shows that are not in `lead`, by id.

        A show that the vector search did not return gets the largest distance of those that it did; one that was not
        compared in detail gets the lowest similarity of those that were.
        """
        similarity = {near.id: 1.0 - near.distance for near in self.neighbours}
        words = {hit.id: hit.score for hit in self.hits}
        margins = {show_id: premise.margin for show_id, premise in self.premises.items()}
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
                premise=margins.get(show_id, 0.0),
            )
            for show_id in self.ids
        }

    def scores(self) -> dict[str, float]:
        """Return the scores of all shows that are not in `lead`, by id."""
        model = ranking_model()
        return {
            show_id: rounded(model.score(features) + _PREFERRED * (show_id in self.preferred))
            for show_id, features in self.features().items()
        }

    def likeness_of_best(self) -> float:
        """Return the similarity of the best show to the question, which decides whether there is a match."""
        root = self.length**0.5 or 1.0
        known = {show_id: premise.similarity for show_id, premise in self.premises.items()}
        part = _PASSAGE * min(1.0, self.length / _LONG) if self.likeness else 0.0
        return max(
            (
                (1 - part) * max(one.similarity, known.get(show_id, 0.0))
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
        evidence: dict[str, list[Evidence]] = {}
        for rank, match in enumerate(self.matches, 1):
            evidence.setdefault(match.id, []).append(Evidence(branch="alias", rank=rank, detail=match.title))
        for rank, (show_id, detail) in enumerate(self.led_by.items(), 1):
            evidence.setdefault(show_id, []).append(Evidence(branch="relation", rank=rank, detail=detail))
        for rank, hit in enumerate(self.hits, 1):
            evidence.setdefault(hit.id, []).append(Evidence(branch="words", rank=rank))
        for rank, near in enumerate(sorted(self.neighbours, key=self._nearest_first), 1):
            evidence.setdefault(near.id, []).append(Evidence(branch="vector", rank=rank, distance=near.distance))
        for rank, show_id in enumerate(self.premises, 1):
            evidence.setdefault(show_id, []).append(Evidence(branch="premise", rank=rank))
        return evidence

    def ranked(self) -> list[str]:
        """Return the ids of all candidates, best first; of equal scores, the show with more votes."""
        scores = self.scores()
        by_score = sorted(scores, key=lambda show_id: (-scores[show_id], -self.votes.get(show_id, 0), show_id))
        by_score = [*self._best_known_first(by_score[:FIRST], scores), *by_score[FIRST:]]
        return list(dict.fromkeys((*self.lead, *by_score, *(match.id for match in self.matches))))

    def _best_known_first(self, ids: Sequence[str], scores: Mapping[str, float]) -> list[str]:
        """Return the ids with the best known part of each franchise before those that score a little more."""
        ordered = list(ids)
        for place, show_id in enumerate(ids):
            root = self.franchise.get(show_id)
            if root is None or ordered[place] != show_id:
                continue
            enough = scores[show_id] - _LITTLE_MORE
            parts = [one for one in ordered[place:] if self.franchise.get(one) == root and scores[one] >= enough]
            best = max(parts, key=lambda one: self.votes.get(one, 0))
            ordered.remove(best)
            ordered.insert(place, best)
        return ordered

    def _nearest_first(self, near: Neighbour) -> tuple[float, int, str]:
        return near.distance, -self.votes.get(near.id, 0), near.id


def sources(candidates: Candidates, shows: Mapping[str, Show], ids: Sequence[str]) -> list[Source]:
    """Return the shows that are still in the catalogue, with the evidence for each."""
    evidence, scores = candidates.evidence(), candidates.scores()
    return [
        Source(show=shows[one], evidence=tuple(evidence.get(one, ())), score=scores.get(one, 0.0))
        for one in ids
        if one in shows
    ]


def lacks_matches(candidates: Candidates) -> bool:
    """Return whether no search has a sufficient score."""
    return not candidates.lead and candidates.likeness_of_best() < _NO_MATCH_BELOW
