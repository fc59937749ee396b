"""Learn the weights of the ranking from questions with known answers, and print the gain.

    .venv/bin/python benchmarks/train_ranking.py \
        --on export.json --ask questions.csv --ask asked.csv --ask benchmarks/half_remembered_export.csv \
        --on anime.csv --with anime.jsonl --ask benchmarks/held_out.csv --ask benchmarks/plots.csv \
        --ask benchmarks/half_remembered.csv --write

Each `--on` starts a catalogue, `--with` adds a file to it, `--ask` adds a sheet of questions about it. The sample and
its sheet are always included. Only plots, moods and Japanese questions that need the searches are used.

The same weights serve before and after the passages of all shows are stored, so each question counts twice: with
passages of the best eight candidates, and with those of all candidates.

The ranking is learnt as a choice among candidates (a conditional logit with a ridge penalty), by Newton's method in
numpy. Prints the hits in the top 1 and top 5 with weights from the same questions, by cross-validation (ten folds), and
from the other catalogues, beside those of cosine similarity. `--write` saves the weights from all questions.
"""

import argparse
import asyncio
import json
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, fields
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from animerag.catalogue import sample
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.evaluation.evaluation import expectations
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.readers.questions import read as read_questions
from animerag.retrieval import ranking_model, retriever
from animerag.retrieval.ranking_model import Features
from animerag.retrieval.reranking import Passages

KINDS = {"plot": 1.0, "plot_short": 1.0, "plot_long": 1.0, "japanese": 1.0, "mood": 0.5}  # a mood has many answers
RIDGE = 1.0
FOLDS = 10
ALL = 1000  # more than there are candidates
NAMES = [each.name for each in fields(Features)]


@dataclass(frozen=True)
class Choice:
    """The candidates of one question: a row of features each, and which are correct."""

    catalogue: str
    sheet: str
    kind: str
    features: np.ndarray  # (candidates, features)
    right: np.ndarray  # (candidates,)
    number: int  # of the question
    stored: bool  # whether passages of all candidates are compared


class NothingStored:
    """A store of passages in which nothing is stored yet."""

    async def load(self, _shows):
        return {}


async def choices_on(catalogue, sheets, storage):
    """Return the choices that the searches leave open in one catalogue."""
    with tempfile.TemporaryDirectory() as name:
        directory = storage / catalogue[0].stem if storage else Path(name)
        async with open_services(load_settings(data_dir=directory), warm=False) as services:
            for path in catalogue if not (await services.library.counts()).shows else ():
                await services.ingestion.run([SourceFile(path=path, name=path.name)], Control())
            await services.passages.fill()
            retriever._DETAILED = ALL
            stored = services.retriever._passages._stored
            seen = []
            candidates = services.retriever._candidates

            async def watched(*given):
                seen.append(await candidates(*given))
                return seen[-1]

            services.retriever._candidates = watched
            choices = []
            rows = [(sheet, one) for sheet in sheets for one in expectations(read_questions(sheet, sheet.name).rows)]
            for store in (NothingStored(), stored):
                services.retriever._passages = Passages(services.embedder, store)
                for number, (sheet, one) in enumerate(rows):
                    if one.kind not in KINDS or not one.expected:
                        continue
                    await services.retriever.search(one.question)
                    if not seen[-1].lead:
                        features = seen[-1].features()
                        values = np.array([each.values() for each in features.values()])
                        right = np.isin(list(features), one.expected)
                        from_store = store is stored
                        choices.append(
                            Choice(catalogue[0].name, sheet.name, one.kind, values, right, number, from_store)
                        )
            return choices


def learn(choices):
    """Return the weights that maximise the likelihood of the correct candidates; that of similarity is 1."""
    usable = [one for one in choices if one.right.any()]
    scale = np.concatenate([one.features for one in usable]).std(axis=0) + 1e-9
    data = [(one.features / scale, one.right, KINDS[one.kind]) for one in usable]
    weights = np.zeros(len(NAMES))
    value = _likelihood(weights, data)
    for _ in range(100):
        gradient, curvature = -RIDGE * weights, RIDGE * np.eye(len(NAMES))
        for rows, right, count in data:
            chance = _chances(rows @ weights)
            mean, wanted = chance @ rows, (chance * right) @ rows / (chance @ right)
            gradient += count * (wanted - mean)
            curvature += count * ((rows * chance[:, None]).T @ rows - np.outer(mean, mean))
        step = np.linalg.solve(curvature, gradient)
        while (better := _likelihood(weights + step, data)) < value and np.abs(step).max() > 1e-9:
            step /= 2
        weights, gained, value = weights + step, better - value, better
        if gained < 1e-9:
            break
    weights /= scale
    return weights / weights[NAMES.index("similarity")]


def _chances(scores):
    chance = np.exp(scores - scores.max())
    return chance / chance.sum()


def _likelihood(weights, data):
    logs = sum(count * np.log(_chances(rows @ weights) @ right) for rows, right, count in data)
    return logs - RIDGE / 2 * weights @ weights


def place(choice, weights):
    """Return the rank of the best correct candidate, from 1."""
    if not choice.right.any():
        return len(choice.right) + 1
    scores = np.round(choice.features @ weights, 4)
    return 1 + int((scores[~choice.right] > scores[choice.right].max()).sum())


def places(choices):
    """Return the ranks of each choice: by similarity, by all weights, by those of other questions and catalogues."""
    same = learn(choices)
    ranks = {
        "similarity": [place(one, np.eye(len(NAMES))[0]) for one in choices],
        "same questions": [place(one, same) for one in choices],
        "other questions": [0] * len(choices),
        "other catalogues": [0] * len(choices),
    }
    asked = list(dict.fromkeys((one.catalogue, one.number) for one in choices))
    fold = dict(zip(asked, np.random.default_rng(0).permutation(len(asked)) % FOLDS, strict=True))
    fold_of = [fold[one.catalogue, one.number] for one in choices]
    for name, groups in (("other questions", fold_of), ("other catalogues", [one.catalogue for one in choices])):
        for group in sorted(set(groups)):
            weights = learn([one for one, its in zip(choices, groups, strict=True) if its != group])
            for at, its in enumerate(groups):
                if its == group:
                    ranks[name][at] = place(choices[at], weights)
    return same, ranks


def show(choices, ranks):
    groups = defaultdict(list)
    for at, one in enumerate(choices):
        state = "stored" if one.stored else "best 8"
        groups[f"{state}: {one.catalogue}, {one.sheet}, {one.kind}"].append(at)
        groups[f"{state}: all"].append(at)
    for group, members in groups.items():
        for name, its in ranks.items():
            first, five = (sum(its[at] <= depth for at in members) for depth in (1, 5))
            print(f"{group:65} {name:18} {first:4} {five:4} of {len(members)}")


def write(weights, choices):
    text = {
        "weights": {name: round(float(weight), 4) for name, weight in zip(NAMES, weights, strict=True)},
        "learnt": "benchmarks/train_ranking.py: conditional logit, ridge 1, features from the embedded encoder",
        "questions": {
            sheet: sum(one.sheet == sheet and one.stored for one in choices)
            for sheet in sorted({one.sheet for one in choices})
        },
    }
    path = Path(ranking_model.__file__).with_name(ranking_model.FILE)
    path.write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")


class _Begin(argparse.Action):
    def __call__(self, _parser, options, value, _option=None):
        options.catalogues.append(([value], []))


class _Add(argparse.Action):
    def __call__(self, _parser, options, value, _option=None):
        options.catalogues[-1][0 if self.dest == "more" else 1].append(value)


async def main(options):
    choices = []
    with ExitStack() as stack:
        catalogue = stack.enter_context(sample.catalogue())
        sheet = stack.enter_context(as_file(files("animerag.catalogue.sample").joinpath("questions.csv")))
        for paths, sheets in [*options.catalogues, ([catalogue], [sheet])]:
            choices += await choices_on(paths, sheets, options.data)
    weights, ranks = places(choices)
    show(choices, ranks)
    first = [(a == 1, b == 1) for a, b in zip(ranks["similarity"], ranks["same questions"], strict=True)]
    print(f"first places of similarity lost: {first.count((True, False))}, gained: {first.count((False, True))}")
    print(dict(zip(NAMES, np.round(weights, 4).tolist(), strict=True)))
    if options.write:
        write(weights, choices)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(catalogues=[])
    parser.add_argument("--on", type=Path, action=_Begin)
    parser.add_argument("--with", dest="more", type=Path, action=_Add)
    parser.add_argument("--ask", type=Path, action=_Add)
    parser.add_argument("--data", type=Path, help="directory that stores imported catalogues for the next run")
    parser.add_argument("--write", action="store_true")
    asyncio.run(main(parser.parse_args()))
