//! What the process shows of itself: metrics, status, probes, logs.
