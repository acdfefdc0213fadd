#include "cli/commands/quota_text.h"

#include <fmt/format.h>

#include "cli/output/table.h"
#include "common/base/units.h"

namespace devrun::cli {

namespace {

std::string of_most(const std::string& has, const std::string& most, const QuotaRecord::Of& of) {
  if (of.most != 0) return fmt::format("{} of {}", has, most);
  return of.has == 0 ? "-" : has;
}

std::string cores(int64_t milli) {
  return fmt::format("{:g}", static_cast<double>(milli) / 1000);
}

nlohmann::ordered_json pair_json(const QuotaRecord::Of& of) {
  return {{"has", of.has}, {"max", of.most}};
}

}  // namespace

std::string bytes_of_quota(const QuotaRecord::Of& of) {
  return of_most(format_size(of.has), format_size(of.most), of);
}

std::string count_of_quota(const QuotaRecord::Of& of) {
  return of_most(fmt::format("{}", of.has), fmt::format("{}", of.most), of);
}

std::string cores_of_quota(const QuotaRecord::Of& of) {
  return of_most(cores(of.has), cores(of.most), of);
}

std::string quota_table(const std::vector<QuotaRecord>& quotas) {
  Table table({"USER", "STORE", "OUTPUT", "GPUS", "CORES", "RUNNING", "WAITING"});
  for (const QuotaRecord& quota : quotas) {
    table.add({quota.user, bytes_of_quota(quota.store_bytes), bytes_of_quota(quota.output_bytes),
               count_of_quota(quota.gpus), cores_of_quota(quota.cpu_milli),
               count_of_quota(quota.running), count_of_quota(quota.waiting)});
  }
  return table.render();
}

nlohmann::ordered_json quota_json(const QuotaRecord& quota) {
  return {{"user", quota.user},
          {"store_bytes", pair_json(quota.store_bytes)},
          {"output_bytes", pair_json(quota.output_bytes)},
          {"gpus", pair_json(quota.gpus)},
          {"cpu_milli", pair_json(quota.cpu_milli)},
          {"running", pair_json(quota.running)},
          {"waiting", pair_json(quota.waiting)}};
}

}  // namespace devrun::cli
