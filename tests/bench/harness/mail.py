"""The mail of the benchmark: the same octets in every run, and unlike each other as real mail is."""

import base64
import functools
import hashlib
import pathlib
import random
import time

FIRST_NAMES = "Anna Bob Carla Dmitri Elif François Grace Hiroshi Ingrid Jürgen Karel Łucja Mehmet Øystein".split()
LAST_NAMES = "Arnold Baker Çelik Dvořák Evans Fischer García Hansen Ito Kowalska Lindqvist Müller".split()
DOMAINS = "example.org example.com mail.example.net lists.example.org shop.example.com".split()
WORDS = (
    "the meeting on friday invoice report please find attached draft of contract release notes server backup failed "
    "lunch travel booking confirmation question about budget minutes review patch merge deploy weekly summary holiday "
    "photos garden concert tickets Größe résumé naïve čeština 東京 привет"
).split()
FIRST_DAY = 1_600_000_000
SMALLEST_BODY, LARGEST_BODY = 4 * 1024, 60 * 1024


def encoded_word(text, form):
    if text.isascii():
        return text
    if form == "B":
        return "=?UTF-8?B?" + base64.b64encode(text.encode()).decode() + "?="
    quoted = (c if c.isascii() and c.isalnum() else "".join(f"={byte:02X}" for byte in c.encode()) for c in text)
    return "=?UTF-8?Q?" + "".join(quoted) + "?="


def subject(chance):
    text = " ".join(chance.choice(WORDS) for _ in range(chance.randint(2, 9)))
    prefix = chance.choice(["", "", "", "Re: ", "Fwd: ", "[project] ", "Re: Re: "])
    return prefix + encoded_word(text, chance.choice("BQ"))


def header(chance, number, kind):
    first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
    domain = chance.choice(DOMAINS)
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(arrival(number)))
    lines = [
        f"Received: from mx{number % 7}.{domain} by mail.example.org with ESMTPS id {number:08x}; {date}",
        f"Date: {date}",
        f"From: {encoded_word(first + ' ' + last, 'Q')} <{chance.choice('abcdefgh')}{number % 997}@{domain}>",
        "To: Anna Arnold <anna@example.org>",
        f"Subject: {subject(chance)}",
        f"Message-ID: <{kind}-{number}@{domain}>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
    ]
    if chance.random() < 0.3:
        lines.append(f"In-Reply-To: <{kind}-{number - 1}@{domain}>")
    return "\r\n".join(lines) + "\r\n\r\n"


def body(chance, size):
    """Text that DEFLATE shrinks about as much as it shrinks prose."""
    lines, length = [], 0
    while length < size:
        line = " ".join(chance.choice(WORDS) for _ in range(9)) + f" {chance.getrandbits(40):x}"
        lines.append(line)
        length += len(line.encode()) + 2
    return "\r\n".join(lines) + "\r\n"


def small_message(number):
    chance = random.Random(number)
    return (header(chance, number, "small") + f"Message {number}.\r\n").encode()


def large_message(number):
    chance = random.Random(-1 - number)
    size = SMALLEST_BODY + int((LARGEST_BODY - SMALLEST_BODY) * chance.random() ** 1.6)
    return (header(chance, number, "large") + body(chance, size)).encode()


@functools.cache
def huge_message(number, size):
    """One text over and over; every piece says where it is, so that no two are alike."""
    chance = random.Random(f"huge {number}")
    piece = body(chance, 64 * 1024).encode()
    pieces, length = [header(chance, number, "huge").encode()], 0
    while length < size:
        pieces += [b"Octet %d.\r\n" % length, piece]
        length += len(piece) + len(pieces[-2])
    return b"".join(pieces)


def arrival(number):
    """Seconds since 1970."""
    return FIRST_DAY + number * 1777


def internal_date(number):
    return time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(arrival(number)))


def generator_digest():
    """Changes whenever the mail may have changed: what was made by another generator is made again."""
    return hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()
