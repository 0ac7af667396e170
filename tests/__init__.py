"""The tests of slasshy-rpc; a package so that `tests.support` and `python -m tests.bench` can be imported."""
