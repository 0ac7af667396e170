"""Invocations: how words on the command line become options and URIs (getopt's rules, mirrors, -Z, -P)."""

from __future__ import annotations

from tests.differential.command import Case, Served
from tests.support.behaviour import Behaviour

MISSING = {"/gone": Served(behaviour=Behaviour(status=404))}
MANY = {f"/p{n}.bin": Served(5_000) for n in range(1, 6)}

CASES = (
    Case("options/a URI alone", "<o>/a.bin", headers=("*",)),
    Case("options/-o glued", "-oname.bin <o>/a.bin"),
    Case("options/-o apart", "-o name.bin <o>/a.bin"),
    Case("options/--out=", "--out=name.bin <o>/a.bin"),
    Case("options/--out= without a value", "--out= <o>/a.bin"),
    Case("options/after the URI", "<o>/a.bin -d sub -o name.bin -x4", wire="paths"),
    Case("options/between URIs", "<o>/a.bin -o name.bin <o>/a.bin?mirror"),
    Case("options/behind two dashes", "-o name.bin -- <o>/a.bin"),
    Case("options/an option behind two dashes", "<o>/a.bin -- -o"),
    Case("options/a single dash", "<o>/a.bin -"),
    Case("options/letters in one word", "-cqd sub <o>/a.bin"),
    Case("options/-qc is quiet=c", "-qc <o>/a.bin"),
    Case("options/-c true", "-c true <o>/a.bin"),
    Case("options/--continue true", "--continue true <o>/a.bin"),
    Case("options/--continue=true", "--continue=true <o>/a.bin"),
    Case("options/-x4s4k1M", "-x4 -s4 -k1M <o>/a.bin"),
    Case("options/-x 4 -s 4 -k 1M", "-x 4 -s 4 -k 1M <o>/a.bin"),
    Case("options/the last number wins", "-x16 -x 4 -s16 -s 1 <o>/a.bin"),
    Case("options/short for its beginning", "--contin --file-alloc=none --allow-over=true --max-tri=2 <o>/a.bin"),
    Case("options/two dashes and one letter", "--o=name.bin <o>/a.bin"),
    Case("options/-=", "-o=name.bin <o>/a.bin"),
    Case("options/ambiguous", "--max=1 <o>/a.bin"),
    Case("options/ambiguous with an exact name", "--log=a.log <o>/a.bin"),
    Case("options/ambiguous in part", "--allow=true <o>/a.bin"),
    Case("options/an empty word", "'' <o>/a.bin"),
    Case("options/blanks around a URI", "' <o>/a.bin '"),
    Case("options/-Z", "-Z <o>/a.bin <o>/b.bin", wire="sorted"),
    Case("options/-Z and -o", "-Z -j1 -o name.bin <o>/a.bin <o>/b.bin"),
    Case("options/-Z one of them lost", "-Z -j1 <o>/gone <o>/a.bin", serves=MISSING),
    Case("options/-Z the last one lost", "-Z -j1 <o>/a.bin <o>/gone", serves=MISSING),
    Case("options/-Z twice the same", "-Z -j1 <o>/a.bin <o>/a.bin"),
    Case("options/-Z and ten at a time", "-Z -j10 --allow-overwrite=true -dsub " + " ".join(f"<o>{p}" for p in MANY),
         serves=MANY, wire="sorted"),
    Case("options/-j1 keeps the order", "-Z -j1 " + " ".join(f"<o>{p}" for p in MANY), serves=MANY),
    Case("options/mirrors", "<o>/a.bin <o>/sub/a.bin", serves={"/sub/a.bin": Served()}, wire=""),
    Case("options/mirrors and -s2", "-s2 -x1 -k1M <o>/a.bin <o>/sub/a.bin",
         serves={"/a.bin": Served(3 << 20), "/sub/a.bin": Served(3 << 20, data=None)}, wire=""),
    Case("options/a mirror that refuses", "-s1 <closed>/a.bin <o>/a.bin", wire="paths"),
    Case("options/all mirrors lost", "-s1 <o>/gone <o>/lost", serves=MISSING),
    Case("options/-P", "-P -Z -j1 '<o>/p[1-3].bin'", serves=MANY),
    Case("options/-P with words", "-P -Z -j1 '<o>/{a,b}.bin'"),
    Case("options/-P with a step", "-P -Z -j1 '<o>/p[1-5:2].bin'", serves=MANY),
    Case("options/-P with zeros", "-P -Z -j1 '<o>/n[08-10]'",
         serves={f"/n{n}": Served(900) for n in ("08", "09", "10")}),
    Case("options/-P as mirrors", "-P -s1 '<o>/{gone,a.bin}'", serves=MISSING, wire=""),
    Case("options/-P without its end", "-P '<o>/{a,b.bin'"),
    Case("options/brackets without -P", "-s1 '<o>/p[1-3].bin'"),
    Case("options/braces without -P", "-s1 '<o>/{a,b}.bin'"),
    Case("options/-P=false", "-Pfalse '<o>/{a,b}.bin'"),
    Case("options/user and password in the URI", "http://u:p@<host>/none", wire=""),
    Case("options/a fragment", "'<o>/a.bin#part'"),
    Case("options/no path", "http://<host>", wire=""),
    Case("options/two slashes", "<o>//a.bin", serves={"//a.bin": Served()}),
    Case("options/blanks in the URI", "'<o>/with blank.bin'", serves={"/with%20blank.bin": Served()}),
    Case("options/no ASCII in the URI", "<o>/naïve.bin", serves={"/na%C3%AFve.bin": Served()}),
    Case("options/escapes in small letters", "<o>/a%2eb", serves={"/a%2eb": Served()}),
    Case("options/gid", "--gid=00000000000000aa <o>/a.bin"),
    Case("options/a bad gid", "--gid=1 <o>/a.bin"),
    Case("options/--select-file is void", "--select-file=1 <o>/a.bin"),
    Case("options/BitTorrent's are void", "--seed-time=0 --seed-ratio=1.0 --bt-max-peers=9 --listen-port=6881-6999 "
         "--enable-dht=false --bt-tracker=udp://127.0.0.1:1 --follow-torrent=mem <o>/a.bin"),
    Case("options/Metalink's are void", "--follow-metalink=mem --metalink-language=de --metalink-os=linux "
         "--metalink-preferred-protocol=none <o>/a.bin"),
    Case("options/FTP's are void", "--ftp-user=u --ftp-passwd=p --ftp-pasv=false --ftp-type=ascii <o>/a.bin"),
    Case("options/what tunes", "--disk-cache=32M --enable-mmap --async-dns=false --event-poll=epoll --dscp=0 "
         "--socket-recv-buffer-size=1M --rlimit-nofile=512 --min-tls-version=TLSv1.2 <o>/a.bin"),
)  # fmt: skip
