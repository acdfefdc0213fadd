// Traces in the store: runs of a program add up, damage is replaced, volumes have their own and no more than so many.
#include "controller/storage/traces.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "common/runtime/file.h"
#include "common/tree/trace.h"

namespace devrun::storage {
namespace {

namespace fs = std::filesystem;

class TracesTest : public ::testing::Test {
 protected:
  TracesTest() {
    char name[] = "/tmp/devrun-traces-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~TracesTest() override { fs::remove_all(folder_); }

  static std::string trace_of(const std::string& path) {
    return tree::encode_trace({{{path, {{0, 1}}}}});
  }
  std::string path(const std::string& volume, const std::vector<std::string>& argv) const {
    return folder_ + "/" + tree::trace_paths(volume, argv).front();
  }
  size_t files_in(const std::string& path) const {
    const Result<std::string> bytes = read_file(path);
    const Result<tree::Trace> trace =
        bytes ? tree::decode_trace(*bytes) : Result<tree::Trace>(bytes.error());
    return trace ? trace->files.size() : 0;
  }

  std::string folder_;
};

TEST_F(TracesTest, RunsOfAProgramAddUpAndDamageIsReplaced) {
  TraceFiles traces(folder_);
  const std::vector<std::string> argv = {"python3", "train.py"};
  ASSERT_TRUE(traces.keep("ml", argv, trace_of("a")).has_value());
  ASSERT_TRUE(traces.keep("ml", argv, trace_of("b")).has_value());
  EXPECT_EQ(files_in(path("ml", argv)), 2u);
  EXPECT_FALSE(traces.keep("ml", argv, "no trace").has_value());
  EXPECT_EQ(files_in(path("ml", argv)), 2u);
  ASSERT_TRUE(write_file_atomically(path("ml", argv), "damaged").has_value());
  ASSERT_TRUE(traces.keep("ml", argv, trace_of("c")).has_value());
  EXPECT_EQ(files_in(path("ml", argv)), 1u);
}

TEST_F(TracesTest, AVolumeHasItsOwnAndOnlySoMany) {
  TraceFiles traces(folder_);
  ASSERT_TRUE(traces.keep("theirs", {"x", "1"}, trace_of("a")).has_value());
  for (size_t i = 0; i < TraceFiles::kTracesMax + 20; ++i) {
    ASSERT_TRUE(traces.keep("ml", {"x", std::to_string(i)}, trace_of("a")).has_value());
  }
  const auto count = [&](const std::string& volume) {
    const fs::path of = folder_ + "/traces/" + volume;
    return fs::exists(of) ? std::distance(fs::directory_iterator(of), fs::directory_iterator()) : 0;
  };
  EXPECT_EQ(count("ml"), static_cast<ptrdiff_t>(TraceFiles::kTracesMax));
  EXPECT_EQ(count("theirs"), 2);
  ASSERT_TRUE(traces.forget("ml").has_value());
  ASSERT_TRUE(traces.forget("never had any").has_value());
  EXPECT_EQ(count("ml"), 0);
  EXPECT_EQ(count("theirs"), 2);
}

}  // namespace
}  // namespace devrun::storage
