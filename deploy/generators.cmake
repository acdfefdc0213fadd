# Read by CPack for each kind of package: the bundle's own script is in no Debian package.
if(CPACK_GENERATOR STREQUAL "DEB")
  set(CPACK_COMPONENTS_ALL devrun agent controller)
endif()
