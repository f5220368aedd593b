// Package anthropic carries calls in OpenAI's shape to servers that speak
// Anthropic's Messages API, and brings their answers back in OpenAI's shape,
// in one piece and streamed.
//
// # Requests
//
// Strings, tool arguments and schemas are moved over as raw JSON; they are
// decoded only where their form changes (data URLs, tool arguments).
//
//	messages: system, developer  → system, in order; they lose their place among the messages
//	messages: user, assistant    → turns; neighbours of one role become one turn
//	messages: tool               → tool_result blocks of a user turn
//	tool_calls, thinking_blocks  → tool_use, thinking blocks
//	content: text, image_url     → text, image (base64 for data URLs, url for http)
//	content: file                → document (file_data with a PDF or plain text)
//	cache_control                → kept on content parts and tools, and at the top
//	max_completion_tokens,
//	max_tokens                   → max_tokens; Config.MaxTokens if neither is given
//	stop                         → stop_sequences; blank ones are dropped
//	temperature                  → temperature, at most 1
//	top_p                        → top_p; dropped beside temperature, which newer models refuse
//	top_k, thinking              → themselves
//	tools, tool_choice,
//	parallel_tool_calls          → tools, tool_choice with disable_parallel_tool_use
//	response_format: json_schema → output_config.format; for models before 4.5, a tool
//	                               that the model has to call, whose input is the answer
//	response_format: json_object → a sentence in system
//	reasoning_effort             → adaptive thinking and output_config.effort since 4.6;
//	                               thinking.budget_tokens from 3.7 to 4.5; dropped before
//	user, safety_identifier      → metadata.user_id
//	service_tier                 → auto, default → auto, standard_only; others are dropped
//
// Temperature, top_p and top_k are dropped while the model thinks, and for
// models since 4.7, which refuse them. Thinking is left out where the API does
// not allow it: when a tool must be called, and when the turn to be continued
// has tool calls whose thinking blocks the caller did not give back.
//
// Refused, as Invalid with the path: n over 1, logprobs, top_logprobs, audio,
// modalities beyond text, functions and function_call (superseded by tools),
// web_search_options, tools that are not functions, audio input, files by id,
// best_of over 1, echo, suffix. Dropped, because the answer keeps its meaning:
// seed, penalties, logit_bias, store, metadata, verbosity, prediction,
// prompt_cache_key, stream_options, and members not listed here.
//
// # Answers
//
//	text                          → content
//	thinking                      → reasoning_content, and thinking_blocks with the
//	                                signatures, to be given back in the next request
//	tool_use                      → tool_calls
//	end_turn, stop_sequence       → stop
//	max_tokens,
//	model_context_window_exceeded → length
//	tool_use (stop reason)        → tool_calls
//	refusal                       → content_filter
//
// # Usage
//
// Anthropic counts cached tokens apart: Input is input_tokens +
// cache_creation_input_tokens + cache_read_input_tokens. In a stream the
// counts are cumulative and the last one holds; the input is known from the
// first event on, the output only at the end.
//
// A Client is safe for concurrent use and remembers nothing about calls.
package anthropic
