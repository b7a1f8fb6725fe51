//! Finding models on a Hub that is played over real sockets.
