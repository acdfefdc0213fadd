// What users may have and have, as `devrun user ls` and `devrun usage` show it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/client/quota_record.h"

namespace devrun::cli {

// "12 GB of 200 GB", "12 GB", "-".
std::string bytes_of_quota(const QuotaRecord::Of& of);
std::string count_of_quota(const QuotaRecord::Of& of);
std::string cores_of_quota(const QuotaRecord::Of& of);

// A line for each.
std::string quota_table(const std::vector<QuotaRecord>& quotas);
nlohmann::ordered_json quota_json(const QuotaRecord& quota);

}  // namespace devrun::cli
