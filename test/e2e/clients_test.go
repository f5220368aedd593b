package e2e

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/cartrita/cartrita/mock"
)

// TestOpenAINodeClient runs the tests of ../clients with the official npm client.
func TestOpenAINodeClient(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed: `make test` installs it on Debian and Ubuntu; see CONTRIBUTING.md")
	}
	if _, err := os.Stat("../clients/node_modules/openai"); err != nil {
		t.Fatal("the npm client is not installed: run `make clients`")
	}
	p := start(t, t.TempDir(), "--demo")
	cmd := exec.Command(node, "--test", "openai.test.mjs")
	cmd.Dir = "../clients"
	cmd.Env = append(os.Environ(), "CARTRITA_URL="+p.url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "# pass 10") {
		t.Errorf("not all ten tests ran:\n%s", out)
	}
}

func TestOpenAIGoClient(t *testing.T) {
	p := start(t, t.TempDir(), "--demo")
	client := openai.NewClient(option.WithBaseURL(p.url+"/v1"), option.WithAPIKey("unused"), option.WithMaxRetries(0))
	params := openai.ChatCompletionNewParams{
		Model:    "auto",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Say something about rivers.")},
	}

	t.Run("whole", func(t *testing.T) {
		var resp *http.Response
		answer, err := client.Chat.Completions.New(t.Context(), params, option.WithResponseInto(&resp))
		if err != nil {
			t.Fatal(err)
		}
		if answer.Choices[0].Message.Content == "" || answer.Usage.TotalTokens == 0 {
			t.Errorf("answer %+v", answer)
		}
		for _, h := range []string{"X-Cartrita-Call-Id", "X-Cartrita-Model", "X-Cartrita-Endpoint", "X-Cartrita-Cost-Usd", "X-Cartrita-Overhead-Ms"} {
			if resp.Header.Get(h) == "" {
				t.Errorf("no header %s", h)
			}
		}
	})
	t.Run("stream", func(t *testing.T) {
		streamed := params
		streamed.StreamOptions.IncludeUsage = openai.Bool(true)
		stream := client.Chat.Completions.NewStreaming(t.Context(), streamed)
		acc := openai.ChatCompletionAccumulator{}
		for stream.Next() {
			if !acc.AddChunk(stream.Current()) {
				t.Fatal("chunks do not fit together")
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if len(acc.Choices) != 1 || acc.Choices[0].Message.Content == "" || acc.Choices[0].FinishReason != "stop" || acc.Usage.TotalTokens == 0 {
			t.Errorf("accumulated %+v", acc.ChatCompletion)
		}
	})
	t.Run("strategy in the model name", func(t *testing.T) {
		for _, strategy := range []string{"quality-first", "cost-optimized", "balanced", "speed-first", "safety-critical"} {
			named := params
			named.Model = "auto:" + strategy
			if _, err := client.Chat.Completions.New(t.Context(), named); err != nil {
				t.Errorf("%s: %v", strategy, err)
			}
		}
	})
	t.Run("unknown model", func(t *testing.T) {
		named := params
		named.Model = "no-such-model-anywhere"
		_, err := client.Chat.Completions.New(t.Context(), named)
		var apiErr *openai.Error
		if !errors.As(err, &apiErr) || apiErr.StatusCode != http.StatusNotFound || apiErr.Param != "model" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("models", func(t *testing.T) {
		page, err := client.Models.List(t.Context())
		if err != nil || len(page.Data) < 2 {
			t.Fatalf("%d models, %v", len(page.Data), err)
		}
	})
}

// TestAnthropicUpstream sends OpenAI's shape through the gateway to a server
// that speaks Anthropic's Messages API: whole, streamed, and with tools.
func TestAnthropicUpstream(t *testing.T) {
	lab := upstream(t, mock.Profile{Name: "muse", AnswerTokens: 30, PromptCache: true})
	p := start(t, t.TempDir(), "--config", writeFile(t, "anthropic.yaml", `
models:
  - {model_id: muse, provider: lab, task_types: [chat-completions], status: active, features: [tools, streaming]}
providers:
  - name: lab
    kind: anthropic
    base_url: `+lab+`/v1
    endpoints:
      - {model: muse, upstream: muse, pricing: {input_usd_per_million: 3, output_usd_per_million: 15, cached_read_usd_per_million: 0.3, cache_write_usd_per_million: 3.75}}
`))
	client := openai.NewClient(option.WithBaseURL(p.url+"/v1"), option.WithAPIKey("unused"), option.WithMaxRetries(0))
	params := openai.ChatCompletionNewParams{
		Model: "muse",
		Messages: []openai.ChatCompletionMessageParamUnion{
			openai.SystemMessage("Be brief."), openai.UserMessage("Say something about rivers."),
		},
	}
	whole, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if whole.Choices[0].Message.Content == "" || whole.Choices[0].FinishReason != "stop" || whole.Usage.PromptTokens == 0 {
		t.Errorf("whole answer %+v", whole)
	}

	params.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := client.Chat.Completions.NewStreaming(t.Context(), params)
	acc := openai.ChatCompletionAccumulator{}
	for stream.Next() {
		acc.AddChunk(stream.Current())
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if got := acc.Choices[0].Message.Content; got != whole.Choices[0].Message.Content {
		t.Errorf("streamed %q, whole %q", got, whole.Choices[0].Message.Content)
	}
	if acc.Usage.CompletionTokens != whole.Usage.CompletionTokens {
		t.Errorf("streamed %d tokens, whole %d", acc.Usage.CompletionTokens, whole.Usage.CompletionTokens)
	}

	params.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name: "get_level", Parameters: openai.FunctionParameters{
			"type": "object", "properties": map[string]any{"river": map[string]any{"type": "string"}}, "required": []string{"river"},
		},
	})}
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
	params.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("required")}
	tools, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	calls := tools.Choices[0].Message.ToolCalls
	if len(calls) == 0 || calls[0].Function.Name != "get_level" || !strings.Contains(calls[0].Function.Arguments, "river") || tools.Choices[0].FinishReason != "tool_calls" {
		t.Errorf("tool calls %+v", tools.Choices[0])
	}
}
