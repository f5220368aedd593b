// Package catalogue answers which models the world's providers list today,
// offline: some fifteen hundred listings with prices from catwalk's embedded
// data, joined with a small reviewed file of facts about the weights behind
// them (weights.json: published quality scores, licences, safety grades).
//
// # Listings and weights
//
// A listing is one model as one provider offers it; its id is
// "<provider>/<name at the provider>". Listings of the same weights share a
// canonical id, by which they share quality scores and fall back to each
// other. The canonical id is worked out from the listing's name:
//
//  1. the last path segment, lower-cased ("meta-llama/Llama-3.3-70B-Instruct",
//     "accounts/fireworks/models/…", "hf:openai/…");
//  2. without the routing suffix after a colon where it names a price tier or
//     a server (":free", ":groq"; on the Hugging Face router any) and, on
//     Bedrock, without region, vendor and revision ("us.anthropic.…-v1:0");
//  3. without what tells about serving rather than weights: "-free", "-tee",
//     "-flex", "-highspeed", "-fast" (not for Grok, whose fast models are
//     models of their own), and number formats such as "-fp8", which become
//     the listing's quantization;
//  4. without a vendor's name before the family ("meta-llama-3.1…" is
//     "llama-3.1…") and, for Claude, without the date and with the version
//     last ("claude-4-5-sonnet" is "claude-sonnet-4-5").
//
// Names that then differ only in their separators are the same (Fold), as are
// the aliases in weights.json. Dated snapshots of other makers are different
// weights and stay apart.
//
// A size that nobody published is read off the name where it states one
// ("…-70b…", "…-235b-a22b…"): it is nominal.
//
// # Prices
//
// A zero price means free only where the listing says so (":free", "-free");
// elsewhere it means that catwalk does not know, and the price stays nil. The
// two cache prices are not used consistently by catwalk's sources, so they are
// told apart by value: reading from a cache costs less than fresh input,
// writing to it costs at least as much; a value that equals the output price
// is filler. Catwalk's default answer length is a maximum only for the
// providers whose data say so.
//
// # Risk
//
// A safety grade that somebody published (MLCommons AILuminate) becomes a risk
// level: very good is low, good is medium. Weights that were not graded take
// the riskiest level of the graded ones of their family, but never less than
// medium, and their risk notes say that it is inferred. That holds for
// families whose names only their maker can give, and of open families for the
// weights reviewed in weights.json, not for what others make of them. All
// other levels stay unknown.
//
// The package reads no clock, no network and no environment of its own; a
// loaded Catalogue is immutable.
package catalogue
