//! Finding models on a Hub that is played, and whether they run here.
