// UserQuota as a record.
#pragma once

#include "cli/client/quota_record.h"
#include "devrun/v1/monitor.pb.h"

namespace devrun::cli {

inline QuotaRecord quota_from_proto(const devrun::v1::UserQuota& in) {
  return {in.user(),
          {in.store_bytes(), in.store_bytes_max()},
          {in.output_bytes(), in.output_bytes_max()},
          {in.gpus(), in.gpus_max()},
          {in.cpu_milli(), in.cpu_milli_max()},
          {in.running(), in.running_max()},
          {in.waiting(), in.waiting_max()}};
}

}  // namespace devrun::cli
