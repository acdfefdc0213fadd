// What FuseFront answers to each kind of upcall.
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include "agent/volume/fuse_front.h"

namespace devrun::volume {

struct FuseFront::Handlers {
  static fuse_lowlevel_ops operations(const Options& options);

  static void init(void* self, fuse_conn_info* connection);
  static void lookup(fuse_req_t request, fuse_ino_t parent, const char* name);
  static void getattr(fuse_req_t request, fuse_ino_t node, fuse_file_info* info);
  static void readlink(fuse_req_t request, fuse_ino_t node);
  static void open(fuse_req_t request, fuse_ino_t node, fuse_file_info* info);
  static void opendir(fuse_req_t request, fuse_ino_t node, fuse_file_info* info);
  static void read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                   fuse_file_info* info);
  static void lseek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence,
                    fuse_file_info* info);
  static void flush(fuse_req_t request, fuse_ino_t node, fuse_file_info* info);
  static void readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                      fuse_file_info* info);
  static void readdirplus(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                          fuse_file_info* info);
  static void list(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                   bool with_attributes);
  static void statfs(fuse_req_t request, fuse_ino_t node);
  static void getxattr(fuse_req_t request, fuse_ino_t node, const char* name, size_t size);
  static void listxattr(fuse_req_t request, fuse_ino_t node, size_t size);
};

}  // namespace devrun::volume
