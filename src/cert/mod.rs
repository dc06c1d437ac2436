//! What a certificate is. Pure: nothing here opens a file, a socket or a clock.
