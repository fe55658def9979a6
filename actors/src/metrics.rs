//! Every metric's name, unit, labels and help, in one place; `docs/metrics.md` lists the same.
