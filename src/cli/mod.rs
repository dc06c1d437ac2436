//! The command line: words in, words out. The only printer.
