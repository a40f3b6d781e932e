// argv to a command, its result to the exit code; nothing else. Tested by tests/transcripts.
#include "host/cli/program.h"

int main(int argc, char** argv) { return drover::run_program(argc, argv); }
