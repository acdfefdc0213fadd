#include "agent/volume/nfs_compound.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "agent/volume/libnfs_headers.h"
#include "common/base/check.h"

namespace devrun::volume {

bool send_compound(rpc_context* rpc, const NfsRequest& request, NfsCallback callback,
                   void* private_data) {
  CHECK(request.names.size() <= NfsRequest::kNamesMax && request.count <= kNfsReadBytesMax);
  std::array<nfs_argop4, NfsRequest::kNamesMax + 3> operations{};
  size_t used = 0;
  nfs_argop4& start = operations[used++];
  if (request.start.empty()) {
    start.argop = OP_PUTROOTFH;
  } else {
    start.argop = OP_PUTFH;
    start.nfs_argop4_u.opputfh.object.nfs_fh4_len = static_cast<u_int>(request.start.size());
    start.nfs_argop4_u.opputfh.object.nfs_fh4_val = const_cast<char*>(request.start.data());
  }
  for (size_t i = 0; i <= request.names.size(); ++i) {
    if (request.handle_after == i) operations[used++].argop = OP_GETFH;
    if (i == request.names.size()) break;
    nfs_argop4& lookup = operations[used++];
    lookup.argop = OP_LOOKUP;
    lookup.nfs_argop4_u.oplookup.objname.utf8string_len =
        static_cast<u_int>(request.names[i].size());
    lookup.nfs_argop4_u.oplookup.objname.utf8string_val =
        const_cast<char*>(request.names[i].data());
  }
  nfs_argop4& read = operations[used++];
  read.argop = OP_READ;  // its stateid is all zeros: the anonymous one
  read.nfs_argop4_u.opread.offset = request.offset;
  read.nfs_argop4_u.opread.count = request.count;
  COMPOUND4args arguments{};
  arguments.argarray.argarray_len = static_cast<u_int>(used);
  arguments.argarray.argarray_val = operations.data();
  return rpc_nfs4_compound_async(rpc, callback, &arguments, private_data) == 0;
}

NfsAnswer read_compound(const COMPOUND4res& reply) {
  NfsAnswer out;
  out.status = reply.status;
  for (u_int i = 0; i < reply.resarray.resarray_len; ++i) {
    const nfs_resop4& result = reply.resarray.resarray_val[i];
    if (result.resop == OP_GETFH && result.nfs_resop4_u.opgetfh.status == NFS4_OK) {
      const nfs_fh4& handle = result.nfs_resop4_u.opgetfh.GETFH4res_u.resok4.object;
      out.handle.assign(handle.nfs_fh4_val, handle.nfs_fh4_len);
    }
    if (result.resop == OP_READ && result.nfs_resop4_u.opread.status == NFS4_OK) {
      const READ4resok& read = result.nfs_resop4_u.opread.READ4res_u.resok4;
      out.data.assign(read.data.data_val, read.data.data_len);
      out.end_of_file = read.eof != 0;
    }
  }
  return out;
}

std::string nfs_status_name(int status) {
  // libnfs has the names, but exports them from no header.
  switch (status) {
    case NFS4ERR_PERM:
    case NFS4ERR_ACCESS:
      return "permission denied";
    case NFS4ERR_NOENT:
      return "no such file";
    case NFS4ERR_IO:
      return "I/O error";
    case NFS4ERR_STALE:
      return "stale handle";
    case NFS4ERR_NOTDIR:
      return "not a directory";
    case NFS4ERR_WRONGSEC:
      return "wrong security flavour";
    default:
      return fmt::format("NFS status {}", status);
  }
}

}  // namespace devrun::volume
