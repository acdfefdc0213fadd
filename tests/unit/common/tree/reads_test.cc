// What was asked of a tree, and whether another would have answered the same. The property test has
// the proof by numbers; here is what each kind of answer is.
#include "common/tree/reads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "common/tree/codec.h"

namespace devrun::tree {
namespace {

constexpr Lineage kVolume{1};

class ReadsTest : public ::testing::Test, public DirectoryReader {
 protected:
  Result<Directory> read(const Digest& id) override { return decode_directory(objects_.at(id)); }
  Entry file(const std::string& name, const std::string& bytes, int64_t mtime = 1) {
    Entry out;
    out.name = name;
    out.mode = 0644;
    out.size = bytes.size();
    out.mtime_ns = mtime;
    out.body = {BodyKind::kInline, bytes};
    out.lineage = kVolume;
    return out;
  }
  Entry folder(const std::string& name, std::vector<Entry> entries, int64_t mtime = 1) {
    std::ranges::sort(entries, {}, &Entry::name);
    const Object object = encode_directory({std::move(entries)}, kVolume);
    objects_[object.id] = object.bytes;
    Entry out;
    out.name = name;
    out.type = EntryType::kDirectory;
    out.mode = 0755;
    out.mtime_ns = mtime;
    out.lineage = kVolume;
    out.directory = object.id;
    return out;
  }
  std::vector<ChangedRead> changed(const Entry& before, const Entry& now) {
    const auto out = changed_reads(*this, before, now, reads_, 10);
    EXPECT_TRUE(out);
    return out ? *out : std::vector<ChangedRead>{};
  }
  using How = ChangedRead::How;

  std::map<Digest, std::string> objects_;
  // `cd proj; cat requirements.txt; python -m …` with a look for proj/setup.cfg.
  Reads reads_{{{"", {{"proj"}, false}}, {"proj", {{"requirements.txt", "setup.cfg"}, true}}}};
};

TEST_F(ReadsTest, AnEditOfWhatWasNotLookedAtIsNone) {
  const Entry before =
      folder("", {folder("proj", {file("requirements.txt", "torch"), file("train.py", "1")})});
  const Entry now = folder(
      "", {folder("proj", {file("requirements.txt", "torch"), file("train.py", "2", 5)}, 7)}, 7);
  EXPECT_TRUE(changed(before, now).empty());
}

TEST_F(ReadsTest, ChangedTouchedDeletedAndAddedInputsAreTold) {
  const Entry before =
      folder("", {folder("proj", {file("requirements.txt", "torch"), file("train.py", "1")})});
  const auto now = [&](std::vector<Entry> entries) {
    return folder("", {folder("proj", std::move(entries))});
  };
  const Entry train = file("train.py", "1");
  EXPECT_EQ(changed(before, now({file("requirements.txt", "numpy"), train})),
            (std::vector<ChangedRead>{{"proj/requirements.txt", How::kChanged}}));
  EXPECT_EQ(changed(before, now({file("requirements.txt", "torch", 2), train})),
            (std::vector<ChangedRead>{{"proj/requirements.txt", How::kTouched}}));
  EXPECT_EQ(changed(before, now({train})),
            (std::vector<ChangedRead>{{"proj/requirements.txt", How::kDeleted}}));
  EXPECT_EQ(
      changed(before, now({file("requirements.txt", "torch"), train, file("setup.cfg", "x")})),
      (std::vector<ChangedRead>{{"proj/setup.cfg", How::kAdded}}));
  EXPECT_EQ(changed(before, now({file("a.pt", "1"), file("requirements.txt", "torch"), train})),
            (std::vector<ChangedRead>{{"proj/a.pt", How::kCame}}));
  EXPECT_EQ(changed(before, now({file("requirements.txt", "torch")})),
            (std::vector<ChangedRead>{{"proj/train.py", How::kWent}}));
  EXPECT_EQ(changed(before, now({file("requirements.txt", "torch"), folder("train.py", {})})),
            (std::vector<ChangedRead>{{"proj/train.py", How::kOtherType}}));
  EXPECT_EQ(changed(before, folder("", {})), (std::vector<ChangedRead>{{"proj", How::kDeleted}}));
  EXPECT_EQ(changed(before, folder("", {file("proj", "no folder")})),
            (std::vector<ChangedRead>{{"proj", How::kChanged}}));
}

TEST_F(ReadsTest, WhatIsSparedIsNoChange) {
  const Entry before = folder("", {});
  const Entry now = folder("", {folder("proj", {})});
  EXPECT_EQ(changed(before, now).size(), 1u);
  const auto spared = [](const std::string& path, const Entry*, const Entry*) {
    return path == "proj" ? Spared::kSame : Spared::kNo;
  };
  EXPECT_TRUE(changed_reads(*this, before, now, reads_, 10, spared)->empty());
}

TEST_F(ReadsTest, AFolderThatCountsAsEmptyWhereItIsMissingMayHaveWhatNobodyAskedFor) {
  const auto spared = [](const std::string& path, const Entry*, const Entry*) {
    return path == "proj" ? Spared::kAsEmpty : Spared::kNo;
  };
  const Entry without = folder("", {});
  Reads asked = reads_;
  asked.folders.at("proj").listed = false;
  const Entry with_other = folder("", {folder("proj", {file("train.py", "1")})});
  EXPECT_TRUE(changed_reads(*this, without, with_other, asked, 10, spared)->empty());
  EXPECT_TRUE(changed_reads(*this, with_other, without, asked, 10, spared)->empty());
  const Entry with_input = folder("", {folder("proj", {file("requirements.txt", "torch")})});
  EXPECT_EQ(*changed_reads(*this, with_input, without, asked, 10, spared),
            (std::vector<ChangedRead>{{"proj/requirements.txt", How::kDeleted}}));
  EXPECT_EQ(changed_reads(*this, without, with_other, asked, 10)->size(), 1u);
}

TEST_F(ReadsTest, TheirUnionHasThemAll) {
  Reads all = reads_;
  merge_reads(all, {{{"proj", {{"other"}, false}}, {"usr", {{"bin"}, true}}}});
  EXPECT_EQ(all.folders.at("proj").names.size(), 3u);
  EXPECT_TRUE(all.folders.at("proj").listed);
  EXPECT_TRUE(all.folders.at("usr").listed);
}

TEST_F(ReadsTest, WhatIsCutOffIsNone) {
  const std::string bytes = encode_reads(reads_);
  EXPECT_EQ(*decode_reads(bytes), reads_);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_reads(bytes.substr(0, size))) << size;
  }
}

}  // namespace
}  // namespace devrun::tree
