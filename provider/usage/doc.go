// Package usage answers one question: how many tokens of each class does an
// upstream's usage block report, in the one convention of model.Usage?
//
// Vendors count the same call differently, and a bill is wrong by several times
// when one convention is read as another. So each has one function here, and
// nothing else in the repository reads counts of tokens.
//
//	            input counts               output counts         shares
//	OpenAI      cached tokens too          reasoning too         prompt_tokens_details, completion_tokens_details
//	Anthropic   neither reads nor writes   thinking too          cache_read_…, cache_creation_input_tokens, cache_creation
//	Gemini      cached tokens too          no thoughts           cachedContentTokenCount, thoughtsTokenCount, …TokensDetails
//	Bedrock     neither reads nor writes   reasoning too         cacheReadInputTokens, cacheWriteInputTokens, cacheDetails
//
// # OpenAI and servers alike
//
//	Input        prompt_tokens; plus cached tokens where they exceed it, or
//	             where total_tokens is just the sum of all three: either shows
//	             that the server counts them apart
//	CachedRead   prompt_tokens_details.cached_tokens, or prompt_cache_hit_tokens
//	             (DeepSeek), cached_tokens (Moonshot), cache_read_input_tokens
//	CacheWrite   prompt_tokens_details.cache_write_tokens (OpenRouter) or
//	             cache_creation_input_tokens
//	Output       completion_tokens; or total_tokens − prompt_tokens where that is
//	             more, because xAI and Google leave reasoning out of the former;
//	             plus reasoning_tokens where they exceed it, for the same reason
//	Reasoning    completion_tokens_details.reasoning_tokens
//	audio, image audio_tokens and image_tokens of either details
//
// Accepted and rejected prediction tokens are part of completion_tokens already.
//
// # Absent, null, zero
//
// Zero is a known count. A null says that the upstream does not know: it makes
// nothing known, and takes nothing back that another field or an earlier report
// said. An absent field leaves the class unknown. What cannot be a count
// (negative, a fraction, beyond a billion) makes the class unknown even where
// an earlier report gave it, because the earlier one is then too low.
package usage
