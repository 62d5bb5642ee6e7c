#!/usr/bin/env python3
"""Makes the training, validation and held-out text of the sample model from Debian packages.

Needs (Debian 12): apt-get install bible-kjv bible-kjv-text jargon-text miscfiles

    python3 sample/prepare.py --out .sample-train

writes train.txt (the model is fitted to it), valid.txt (picks the checkpoint) and heldout-*.txt
(measured once, at the end) to the folder, and sample/texts.jsonl, the documents that
configs/sample.yaml captures, out of the held-out text. The split is by whole books and sections.
Sources and licences: sample/README.md.
"""

import argparse
import gzip
import json
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

SEPARATOR = "<|endoftext|>"

BOOKS = dict(
    line.split(maxsplit=1)
    for line in """
    Ge Genesis|Exo Exodus|Lev Leviticus|Num Numbers|Deu Deuteronomy|Josh Joshua|Jdgs Judges
    Ruth Ruth|1Sm 1 Samuel|2Sm 2 Samuel|1Ki 1 Kings|2Ki 2 Kings|1Chr 1 Chronicles
    2Chr 2 Chronicles|Ezra Ezra|Neh Nehemiah|Est Esther|Job Job|Psa Psalm|Prv Proverbs
    Eccl Ecclesiastes|SSol Song of Solomon|Isa Isaiah|Jer Jeremiah|Lam Lamentations|Eze Ezekiel
    Dan Daniel|Hos Hosea|Joel Joel|Amos Amos|Obad Obadiah|Jonah Jonah|Mic Micah|Nahum Nahum
    Hab Habakkuk|Zep Zephaniah|Hag Haggai|Zec Zechariah|Mal Malachi|Mat Matthew|Mark Mark
    Luke Luke|John John|Acts Acts|Rom Romans|1Cor 1 Corinthians|2Cor 2 Corinthians
    Gal Galatians|Eph Ephesians|Phi Philippians|Col Colossians|1Th 1 Thessalonians
    2Th 2 Thessalonians|1Tim 1 Timothy|2Tim 2 Timothy|Titus Titus|Phmn Philemon|Heb Hebrews
    Jas James|1Pet 1 Peter|2Pet 2 Peter|1Jn 1 John|2Jn 2 John|3Jn 3 John|Jude Jude
    Rev Revelation
    """.replace("\n", "|").split("|")
    if line.strip()
)

# Books without a parallel in another book: no Kings, Chronicles, Isaiah, Psalms or gospels; not
# Jude (2 Peter), Colossians (Ephesians) or Obadiah (Jeremiah).
HELDOUT_BOOKS = {"Ruth", "Esther", "Ecclesiastes", "Jonah", "Habakkuk", "Philippians", "James"}
VALID_BOOKS = {"Song of Solomon", "Lamentations", "Zephaniah", "1 Thessalonians"}

HELDOUT_JARGON = {
    "Jargon J", "Jargon K", "Jargon Q", "Hacker Speech Style", "International Style",
    "TV Typewriters: A Tale of Hackish Ingenuity", "A Story About ‘Magic'", "OS and JEDGAR",
}
VALID_JARGON = {"Jargon V", "Jargon Y", "Email Quotes and Inclusion Conventions", "Education", "Food"}
# Pieces that other authors, named there, wrote: left out altogether. So is the revision history.
SKIPPED_JARGON = {"The Story of Mel", "Some AI Koans", "Revision History", "Bibliography"}

# Words that a document of texts.jsonl has at least, where its source is that long, and at most.
LEAST_WORDS, MOST_WORDS = 400, 760
PIECES_OF_A_BOOK, PIECES_OF_A_SECTION = 4, 2


class Document(NamedTuple):
    """A book or a section: its title and its parts (chapters, entries, paragraphs) in order."""

    title: str
    parts: list[str]

    def text(self) -> str:
        return "\n\n".join(self.parts)


def read_bible() -> list[Document]:
    """All 66 books; a part is a chapter: a line `Ruth 1`, then one verse a line."""
    dump = subprocess.run(
        ["bible", "-f", "Gen1:1-Rev22:21"], check=True, capture_output=True, text=True
    ).stdout
    books: dict[str, dict[str, list[str]]] = {}
    for line in dump.splitlines():
        reference, verse = line.split(" ", 1)
        book, chapter = re.fullmatch(r"(\d?[A-Za-z]+)(\d+):\d+", reference).groups()
        books.setdefault(BOOKS[book], {}).setdefault(chapter, []).append(verse.strip())
    assert len(books) == len(BOOKS) == 66, "the bible program printed an unexpected set of books"
    return [
        Document(book, [f"{book} {number}\n" + "\n".join(verses) for number, verses in chapters.items()])
        for book, chapters in books.items()
    ]


def paragraphs(lines: list[str]) -> list[str]:
    """Joins hard-wrapped lines into paragraphs; drops tables, drawings and program output."""
    result = []
    for block in "\n".join(lines).split("\n\n"):
        stripped = [line.strip() for line in block.splitlines() if line.strip()]
        joined = " ".join(stripped)
        drawn = re.search(r"[\u2500-\u257f]| {3}|\t", "\n".join(stripped))
        symbols = sum(not (c.isalnum() or c.isspace()) for c in joined)
        noise = len(joined) > 80 and symbols * 4 > len(joined)
        if not joined or drawn or noise or "next cartoon in the Crunchly" in joined:
            continue
        result.append(re.sub(r"  +", " ", joined))
    return result


def is_prose(part: str) -> bool:
    return len(part.split()) >= 6


def glossary_entries(lines: list[str]) -> list[str]:
    """One part an entry; each is headed `:name: /sound/, grammar`, as in the file."""
    entries: list[str] = []
    for paragraph in paragraphs(lines):
        if re.match(r":[^ :].*:", paragraph):
            entries.append(paragraph)
        elif entries:
            entries[-1] += "\n" + paragraph
    return [entry for entry in entries if is_prose(entry)]


def read_jargon(path: Path) -> list[Document]:
    """The chapters, the glossary by letter, and the appendices by section."""
    lines = gzip.decompress(path.read_bytes()).decode().replace("\u00a0", " ").splitlines()
    heading = re.compile(r"(?:Chapter \d+\. |Appendix [A-C]\. )?(\S.*)|  ?([A-Z])")
    sections: list[tuple[str, list[str]]] = []
    start = next(i for i, line in enumerate(lines) if line.startswith("Chapter 1."))
    for line in lines[start:]:
        found = heading.fullmatch(line)
        # Program output starts in the first column too; titles are short and start with a capital.
        if found and re.match(r"[A-Z][^/$:=]*(: [A-Z].*)?$", line.strip()) and len(line) < 60:
            sections.append((found[1] or f"Jargon {found[2]}", []))
        elif sections:
            sections[-1][1].append(line)
    documents = []
    for title, body in sections:
        glossary = title.startswith("Jargon ") and len(title) == len("Jargon ") + 1
        parts = glossary_entries(body) if glossary else list(filter(is_prose, paragraphs(body)))
        if not parts or title in SKIPPED_JARGON:
            continue
        parts[0] = parts[0] if glossary else f"{title}\n{parts[0]}"
        documents.append(Document(title, parts))
    return documents


def read_state_paper(path: Path, title: str) -> Document:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return Document(title, paragraphs(lines))


def group_parts(parts: list[str]) -> list[str]:
    """Consecutive parts put together until LEAST_WORDS; a part is added only up to MOST_WORDS."""
    groups: list[list[str]] = [[]]
    for part in parts:
        words = sum(len(p.split()) for p in groups[-1])
        if groups[-1] and (words >= LEAST_WORDS or words + len(part.split()) > MOST_WORDS):
            groups.append([])
        groups[-1].append(part)
    texts = ["\n\n".join(group) for group in groups]
    return [text for text in texts if len(text.split()) >= LEAST_WORDS // 2]


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def sample_texts(bible: list[Document], jargon: list[Document], state: list[Document]) -> list[dict]:
    """The documents of texts.jsonl: the first pieces of each held-out book, section and paper."""
    rows = []
    for book in bible:
        pieces = group_parts(book.parts)[:PIECES_OF_A_BOOK]
        rows += [(f"kjv-{slug(text.splitlines()[0])}", text) for text in pieces]
    for section in jargon + state:
        pieces = group_parts(section.parts)[:PIECES_OF_A_SECTION]
        rows += [(f"{slug(section.title)}-part-{i + 1}", text) for i, text in enumerate(pieces)]
    return [{"id": name, "text": text} for name, text in rows]


def split(documents: list[Document], valid: set[str], heldout: set[str]) -> list[list[Document]]:
    """[train, valid, heldout]; every name of the two sets has to exist."""
    missing = (valid | heldout) - {d.title for d in documents}
    assert not missing, f"sections that the source does not have: {sorted(missing)}"
    kept_out = valid | heldout
    return [
        [d for d in documents if d.title not in kept_out],
        [d for d in documents if d.title in valid],
        [d for d in documents if d.title in heldout],
    ]


def write_documents(path: Path, documents: list[Document]) -> None:
    path.write_text(f"\n{SEPARATOR}\n".join(d.text() for d in documents) + "\n", encoding="utf-8")
    words = sum(len(d.text().split()) for d in documents)
    print(f"{path}: {len(documents)} documents, {words} words, {path.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the prepared text")
    parser.add_argument("--texts", type=Path, default=Path(__file__).with_name("texts.jsonl"))
    parser.add_argument("--jargon", type=Path, default=Path("/usr/share/doc/jargon-text/jargon.txt.gz"))
    parser.add_argument("--state", type=Path, default=Path("/usr/share/state"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    bible = split(read_bible(), VALID_BOOKS, HELDOUT_BOOKS)
    jargon = split(read_jargon(arguments.jargon), VALID_JARGON, HELDOUT_JARGON)
    state = [
        read_state_paper(arguments.state / "us-declaration.gz", "US Declaration"),
        read_state_paper(arguments.state / "us-constitution.gz", "US Constitution"),
    ]
    write_documents(arguments.out / "train.txt", bible[0] + jargon[0])
    write_documents(arguments.out / "valid.txt", bible[1] + jargon[1])
    write_documents(arguments.out / "heldout-bible.txt", bible[2])
    write_documents(arguments.out / "heldout-jargon.txt", jargon[2])
    write_documents(arguments.out / "heldout-state.txt", state)

    rows = sample_texts(bible[2], jargon[2], state)
    arguments.texts.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    print(f"{arguments.texts}: {len(rows)} documents, {arguments.texts.stat().st_size} bytes")


if __name__ == "__main__":
    main()
