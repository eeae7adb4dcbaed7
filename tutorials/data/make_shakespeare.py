"""Make `shakespeare.txt.gz`: two plays, cut from the text that is known as "tiny Shakespeare".

Run once; kept so that anyone can see how the file was cut. The text is `data/tinyshakespeare/input.txt` of
<https://github.com/karpathy/char-rnn>::

    python tutorials/data/make_shakespeare.py input.txt
"""

import gzip
import hashlib
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"  # of the text that the file was cut from
PLAYS = [  # where each begins, and where the next one does
    ("SAMPSON:\nGregory, o' my word", "WARWICK:\nI wonder how the king"),  # Romeo and Juliet
    ("SLY:\nI'll pheeze you", "Master:\nBoatswain!"),  # The Taming of the Shrew
]


def cut(text):
    """The plays, as they are, one behind the other."""
    return "".join(text[text.index(first) : text.index(after)] for first, after in PLAYS)


def main(path):
    whole = Path(path).read_bytes()
    found = hashlib.sha256(whole).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{path} is another text: its SHA-256 is {found}, that of the one to cut from {SHA256}")
    packed = gzip.compress(cut(whole.decode("ascii")).encode("ascii"), 9, mtime=0)
    (FOLDER / "shakespeare.txt.gz").write_bytes(packed)


if __name__ == "__main__":
    main(*sys.argv[1:])
