package upstream

import "strings"

// Codes and types of error bodies that say what status alone does not.
// Compared without regard to case.
var (
	contextCodes = []string{
		"context_length_exceeded",   // OpenAI, Azure, Groq, OpenRouter, TensorRT-LLM
		"exceed_context_size_error", // llama.cpp
		"string_above_max_length",   // OpenAI, one message alone
		"token_limit_exceeded",      // OpenRouter
		"request_too_large",         // Anthropic
	}
	policyCodes = []string{
		"content_filter",               // Azure
		"responsibleaipolicyviolation", // Azure, inner error
		"content_policy_violation",     // OpenAI, OpenRouter
		"moderation_blocked",           // OpenAI, images
		"invalid_prompt",               // OpenAI, reasoning models: flagged prompt
		"data_inspection_failed",       // Alibaba
		"datainspectionfailed",         // Alibaba
		"prohibited_content",           // Google
	}
	// The endpoint is set up for a model that the server does not have.
	modelCodes = []string{
		"model_not_found",      // OpenAI
		"model_not_supported",  // Hugging Face, with status 400
		"model_decommissioned", // Groq, with status 400
		"invalid_model",        // Mistral, with status 400
		"deploymentnotfound",   // Azure
	}
	accountCodes = []string{
		"insufficient_quota",         // OpenAI, with status 429
		"billing_hard_limit_reached", // OpenAI
		"billing_error",              // Anthropic
		"insufficient_balance",       // DeepSeek and others
	}
)

// wording is what a message must contain, all parts of it, in lower case.
type wording []string

// Messages of servers that have no code for a prompt that does not fit.
var contextWordings = []wording{
	{"maximum context length"},                       // OpenAI, vLLM before 0.16, DeepSeek, OpenRouter, Mistral
	{"context length is only"},                       // vLLM since 0.16
	{"longer than the model's context length"},       // SGLang
	{"exceeds the available context size"},           // llama.cpp
	{"exceed context window"},                        // llama-cpp-python
	{"context length of only"},                       // LM Studio
	{"input length exceeds", "context length"},       // Ollama, embeddings
	{"inputs` tokens", "max_new_tokens` must be"},    // TGI, Together
	{"inputs` must have less than", "tokens"},        // TGI, text embeddings inference
	{"must have less than", "tokens. given"},         // TGI, text embeddings inference
	{"prompt is too long"},                           // Anthropic, Fireworks
	{"input token count", "exceeds the maximum"},     // Google
	{"maximum prompt length is"},                     // xAI
	{"too many tokens", "prompt"},                    // Cohere
	{"input is too long for requested model"},        // Amazon Bedrock
	{"range of input length should be"},              // Alibaba
	{"reduce the length of the messages"},            // Groq
	{"context window", "exceed"},                     // MiniMax and others
	{"input length and `max_tokens` exceed", "cont"}, // Anthropic before 3.7
}

// Messages of servers that have no code for content they refuse.
var policyWordings = []wording{
	{"content management policy"},           // Azure
	{"violating our usage policy"},          // OpenAI
	{"your input was flagged"},              // OpenRouter
	{"requires moderation", "flagged"},      // OpenRouter
	{"content exists risk"},                 // DeepSeek
	{"inappropriate content"},               // Alibaba
	{"blocked by content filtering policy"}, // Anthropic
	{"potentially unsafe or sensitive"},     // Zhipu
	{"considered high risk"},                // Moonshot
}

// Messages that say that the account cannot pay.
var accountWordings = []wording{
	{"credit balance is too low"},      // Anthropic, with status 400
	{"insufficient balance"},           // DeepSeek
	{"exceeded your current quota"},    // OpenAI
	{"exceeded your monthly included"}, // Hugging Face
}

func anyCode(codes []string, have ...string) bool {
	for _, h := range have {
		if h == "" {
			continue
		}
		for _, c := range codes {
			if strings.EqualFold(h, c) {
				return true
			}
		}
	}
	return false
}

func anyWording(ws []wording, message string) bool {
	for _, w := range ws {
		if w.in(message) {
			return true
		}
	}
	return false
}

func (w wording) in(message string) bool {
	for _, part := range w {
		if !strings.Contains(message, part) {
			return false
		}
	}
	return true
}
