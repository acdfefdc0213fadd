// Exists so that CMake has one object to build the precompiled header with.
