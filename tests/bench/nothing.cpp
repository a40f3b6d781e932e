// The least that a program which links drover's libraries can take to start: see CMakeLists.txt for the list.
int main() { return 0; }
