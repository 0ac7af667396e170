"""Invocations as programs and scripts of others write them, with their placeholders filled in."""

from __future__ import annotations

import hashlib

from tests.differential.command import Case, Served
from tests.support.content import Content

BODY = Content(100_000, sum(b"/a.bin")).slice(0, 100_000)
BIG = {"/big.bin": Served(3 << 20)}
MIRRORED = {"/m/a.bin": Served(data=BODY)}
SHA256, SHA512 = (hashlib.new(name, BODY).hexdigest() for name in ("sha256", "sha512"))
JAR = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t1\n"
HEADERS = "--header 'User-Agent: Mozilla/5.0' --header 'Accept: */*' --header 'Sec-Fetch-Mode: navigate'"

#: One file from one URL, by who writes the line.
SINGLE = {
    "yt-dlp's user arguments": "-x 16 -j 16 -s 16 -k 1M <o>/a.bin",
    "pacman": "--allow-overwrite=true --continue=true --file-allocation=none --log-level=error --max-tries=2 "
    "--max-connection-per-server=2 --max-file-not-found=5 --min-split-size=5M --no-conf --remote-time=true "
    "--summary-interval=60 --timeout=5 --dir=/ --out <dir>/a.pkg.tar.zst.part <o>/a.bin",
    "pacman, short options": "--allow-overwrite=true -c --file-allocation=none --log-level=error -m2 "
    "--max-connection-per-server=2 --max-file-not-found=5 --min-split-size=5M --no-conf --remote-time=true "
    "--summary-interval=60 -t5 -d / -o <dir>/a.pkg.tar.zst.part <o>/a.bin",
    "pacman, another": "--allow-overwrite=true --continue=true --file-allocation=none --log-level=error --max-tries=5 "
    "--max-connection-per-server=5 -s 1024 --lowest-speed-limit=200k --max-file-not-found=5 --min-split-size=4M "
    "--no-conf --remote-time=true --summary-interval=60 --timeout=5 --dir=/ --out <dir>/a.part <o>/a.bin",
    "makepkg": "-c -o a.tar.gz <o>/a.bin",
    "portage": "-s 4 -x 4 -d distfiles -o a.tar.xz <o>/a.bin",
    "notebooks": "--console-log-level=error -c -x 16 -s 16 -k 1M <o>/a.bin -d models -o m.safetensors",
    "ComfyUI": "-x16 -s16 -k1M --continue=true --console-log-level=warn --summary-interval=0 "
    "--header='Authorization: Bearer T' <o>/a.bin -d models -o m.bin",
    "signed URLs": "-x16 -s16 -k10M -c --console-log-level=warn --summary-interval=60 --retry-wait=5 --max-tries=3 "
    "-d models -o m.bin '<o>/a.bin?sig=a%2Bb%3D&exp=1'",
    "modal": "-x16 -s16 --max-tries=10 --retry-wait=5 --continue=true --allow-overwrite=false --out=m.bin <o>/a.bin",
    "HF wrapper": "-x 4 -s 4 -k 1M -c --retry-wait=2 --max-tries=15 --file-allocation=none --summary-interval=15 "
    "--console-log-level=warn --download-result=hide -d d -o m.bin <o>/a.bin",
    "bots": "-x 16 -s 16 -d d -o f <o>/a.bin",
    "dl-file.sh": "-x16 -s16 -k1M --max-tries=3 --retry-wait=3 --continue=true --auto-file-renaming=false "
    "--console-log-level=notice -d d -o f <o>/a.bin",
    "genomes": "-q -x 10 -j 10 -s 10 --retry-wait=1 <o>/a.bin",
    "mirror probe": "--dry-run=true --timeout=5 --connect-timeout=5 --max-tries=1 --console-log-level=error <o>/a.bin",
    "mirror probe, lost": "--dry-run=true --timeout=5 --connect-timeout=5 --max-tries=1 --console-log-level=error "
    "<o>/gone",
    "ROM builds": "-Z -m0 -x16 -s16 -j16 --enable-rpc=false --optimize-concurrent-downloads=true --disable-ipv6=true "
    "--allow-overwrite=true --remove-control-file=true --always-resume=false --download-result=hide "
    "--summary-interval=0 -d ./dl <o>/a.bin",
    "ISO builds": "--console-log-level=error --check-certificate=false --max-tries=5 --retry-wait=2 "
    "--connect-timeout=15 --allow-overwrite=true --auto-file-renaming=false <o>/a.bin -o f.iso",
    "resumed": "--stderr=true --summary-interval=5 --console-log-level=notice --continue=true --max-tries=0 "
    "--retry-wait=5 --max-connection-per-server=4 <o>/a.bin",
    "Dockerfiles": f"--checksum=sha-256={SHA256} -o sdk.zip <o>/a.bin",
    "image builder": f"--checksum=sha-512={SHA512} -x16 -s16 -d d -o f <o>/a.bin",
    "a proxychain": "--async-dns=false --max-concurrent-downloads=5 --max-connection-per-server=16 --split=16 "
    "--min-split-size=1M --max-tries=0 --retry-wait=5 --save-session=s.session --save-session-interval=60 <o>/a.bin",
}

#: Several files from a list, which is list.txt.
LISTED = {
    "apt-fast": (
        "--no-conf -c -j 5 -x 10 -s 8 --min-split-size=1M --stream-piece-selector=default -i list.txt "
        "--connect-timeout=600 --timeout=600 -m0 --header 'Accept: */*'",
        f"<o>/a.bin\t<o>/m/a.bin\n checksum=sha-256={SHA256}\n out=a_1.0_amd64.deb\n<o>/b.bin\n out=b_2.0_all.deb\n",
    ),
    "hfd.sh": (
        "--console-log-level=error --file-allocation=none -x 4 -j 4 -s 4 -k 1M -c -i list.txt --save-session=list.txt",
        "<o>/a.bin\n dir=repo/sub\n out=a.bin\n gid=00000000000000a1\n header=Authorization: Bearer T\n\n"
        "<o>/b.bin\n dir=repo\n out=b.bin\n gid=00000000000000a2\n header=Authorization: Bearer T\n\n",
    ),
    "hfd.sh, newer": (
        "--quiet=true --log=download.log --log-level=error --file-allocation=none -x 4 -j 4 -s 4 -k 1M -c -i list.txt",
        "<o>/a.bin\n dir=repo/sub\n out=a.bin\n<o>/b.bin\n dir=repo\n out=b.bin\n",
    ),
    "yt-dlp's fragments": (
        "--no-conf --auto-save-interval=10 --console-log-level=warn --summary-interval=0 --download-result=hide "
        "--http-accept-gzip=false --file-allocation=none -x16 -j16 -s16 --uri-selector=inorder --allow-overwrite=true "
        "--allow-piece-length-change=true --dir . -i list.txt",
        "<o>/a.bin\n\tout=v.mp4.part-Frag0\n<o>/b.bin\n\tout=v.mp4.part-Frag1\n",
    ),
    "a downloader": (
        "--max-connection-per-server=16 --allow-overwrite=false --auto-file-renaming=false --check-certificate=false "
        "--remote-time=true -d d -i list.txt",
        "<o>/a.bin\n<o>/b.bin\n",
    ),
    "a mirror script": (
        "--input-file=list.txt --dir=d --max-concurrent-downloads=8 --summary-interval=5 --console-log-level=warn "
        "--download-result=hide",
        "<o>/a.bin\n<o>/b.bin\n",
    ),
    "images": ("--input-file=list.txt --dir=d -j8 -s8 --force-save=false", "<o>/a.bin\n<o>/b.bin\n"),
    "availability": (
        "--dry-run=true -j1 -i list.txt --save-session not_available.session",
        "<o>/a.bin\n<o>/gone\n",
    ),
    "a manifest": (
        "--dry-run -x 10 --disable-ipv6 --input-file ./list.txt --dir d --continue",
        "<o>/a.bin\n<o>/b.bin\n",
    ),
    "with a password": (
        "--dry-run=false --disable-ipv6 --dir=d --input-file=list.txt --http-auth-challenge=true --http-user=U "
        "--http-passwd=P --max-connection-per-server=4",
        "<o>/a.bin\n<o>/b.bin\n",
    ),
}

#: The same from standard input.
PIPED = {
    "apt-aria2c": ("-c -j1 -i -", "<o>/a.bin\n out=a.deb\n"),
    "devine": (
        "-c --remote-time=true --max-concurrent-downloads=2 --max-connection-per-server=1 --split=1 "
        "--max-file-not-found=5 --max-tries=5 --retry-wait=2 --allow-overwrite=true --auto-file-renaming=false "
        "--console-log-level=warn --download-result=default --file-allocation=none --summary-interval=0 --input-file=-",
        "<o>/a.bin\n\tdir=t\n\tout=1.mp4\n<o>/b.bin\n\tdir=t\n\tout=2.mp4\n",
    ),
    "cached assets": (
        "-i - --dir=d -j16 --quiet=true --connect-timeout=5 --timeout=10 --auto-file-renaming=false "
        "--allow-overwrite=false --user-agent=UA",
        "<o>/a.bin\n<o>/b.bin\n",
    ),
}

CASES = (
    Case(
        "callers/yt-dlp",
        "--no-conf --auto-save-interval=10 --console-log-level=warn --summary-interval=0 --download-result=hide "
        f"--file-allocation=none -x16 -j16 -s16 --min-split-size 1M --load-cookies=jar.txt {HEADERS} "
        "--max-overall-download-limit 9M --check-certificate=true --remote-time=true --show-console-readout=true "
        "--remove-control-file=false -x 4 --allow-overwrite=true --always-resume=false --auto-file-renaming=false "
        "--force-save=false --dir ./D/ --out ./f.mp4.part -- <o>/a.bin",
        files={"jar.txt": JAR, "D/f.mp4.part": "what was there"},
        headers=("user-agent", "accept", "sec-fetch-mode", "cookie"),
    ),
    Case(
        "callers/portage with mirrors",
        "-d d -o f --lowest-speed-limit=1K --continue --allow-overwrite=true --max-tries=5 --max-file-not-found=2 "
        "--user-agent=Wget/1.19.1 --split=5 --max-connection-per-server=1 --uri-selector=inorder "
        "--follow-metalink=mem <o>/a.bin <o>/m/a.bin",
        serves=MIRRORED,
        wire="",
    ),
    Case(
        "callers/setup with mirrors",
        "--stderr -c -x2 -s10 -j10 -k1M <o>/a.bin <o>/m/a.bin --check-certificate=false",
        serves=MIRRORED,
        wire="",
    ),
    Case("callers/cookies", "--load-cookies=jar.txt -c <o>/a.bin", files={"jar.txt": JAR}, headers=("cookie",)),
    *(Case(f"callers/{name}", line, wire="paths") for name, line in SINGLE.items()),
    *(Case(f"callers/{name}", line, files={"list.txt": text}, serves=MIRRORED,
           ordered=False, wire="" if "apt" in name else "paths")
      for name, (line, text) in LISTED.items()),
    *(Case(f"callers/{name}", line, stdin=text, wire="paths", ordered=False) for name, (line, text) in PIPED.items()),
)  # fmt: skip
