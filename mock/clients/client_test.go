// Package clients proves that the official clients of the vendors take the mock
// server for the real thing. It is apart from package mock because fuzzing
// instruments everything that a test imports, and the clients are large.
package clients

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/cartrita/cartrita/mock"
)

// listen serves models to the vendors' own clients.
func listen(t *testing.T, profiles ...mock.Profile) string {
	t.Helper()
	s, err := mock.New(mock.Config{Profiles: profiles, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL
}

func TestOfficialOpenAIClient(t *testing.T) {
	url := listen(t, mock.Profile{Name: "a", AnswerTokens: 40, ReasoningTokens: 5}, mock.Profile{Name: "cut", CutRate: 1}, mock.Profile{Name: "busy", RateLimitRate: 1})
	client := openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("x"), option.WithMaxRetries(0))
	ctx := t.Context()
	params := openai.ChatCompletionNewParams{
		Model:         "a",
		Messages:      []openai.ChatCompletionMessageParamUnion{openai.UserMessage("What is a tide?")},
		StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
	}

	stream := client.Chat.Completions.NewStreaming(ctx, params)
	acc := openai.ChatCompletionAccumulator{}
	for stream.Next() {
		if !acc.AddChunk(stream.Current()) {
			t.Fatal("a chunk does not follow the one before")
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
	whole, err := client.Chat.Completions.New(ctx, params)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := acc.Choices[0].Message.Content, whole.Choices[0].Message.Content; got != want || acc.Usage.CompletionTokens != whole.Usage.CompletionTokens {
		t.Errorf("stream %q %d, whole %q %d", got, acc.Usage.CompletionTokens, want, whole.Usage.CompletionTokens)
	}

	embedding, err := client.Embeddings.New(ctx, openai.EmbeddingNewParams{
		Model: "a", Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("hi")},
	})
	if err != nil || len(embedding.Data[0].Embedding) != mock.DefaultDimensions {
		t.Errorf("embeddings: %v", err)
	}
	models, err := client.Models.List(ctx)
	if err != nil || len(models.Data) != 3 {
		t.Errorf("models: %v", err)
	}

	params.Model = "busy"
	var refused *openai.Error
	if _, err := client.Chat.Completions.New(ctx, params); !errors.As(err, &refused) || refused.StatusCode != http.StatusTooManyRequests || refused.Code != "rate_limit_exceeded" {
		t.Errorf("busy: %v", err)
	}
	params.Model = "cut"
	cut := client.Chat.Completions.NewStreaming(ctx, params)
	for cut.Next() {
	}
	if cut.Err() == nil {
		t.Error("the client took a cut stream for a whole one")
	}
}

func TestOfficialAnthropicClient(t *testing.T) {
	url := listen(t, mock.Profile{Name: "a", AnswerTokens: 40, ReasoningTokens: 30}, mock.Profile{Name: "busy", ErrorRate: 1, ErrorStatus: 529})
	client := anthropic.NewClient(anthropicoption.WithBaseURL(url), anthropicoption.WithAPIKey("x"), anthropicoption.WithMaxRetries(0))
	ctx := t.Context()
	params := anthropic.MessageNewParams{
		Model: "a", MaxTokens: 4000,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("What is a tide?"))},
		Thinking: anthropic.ThinkingConfigParamOfEnabled(1024),
	}
	whole, streamed := anthropicBoth(ctx, t, client, params)
	if len(whole.Content) != 2 || len(streamed.Content) != 2 || whole.Content[0].Thinking == "" {
		t.Fatalf("want a thought and a text: %+v", whole.Content)
	}
	if whole.Content[0].Thinking != streamed.Content[0].Thinking || whole.Content[1].Text != streamed.Content[1].Text || whole.Usage.OutputTokens != streamed.Usage.OutputTokens {
		t.Errorf("stream %+v, whole %+v", streamed.Content, whole.Content)
	}

	params.Thinking = anthropic.ThinkingConfigParamUnion{}
	params.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{
		Name:        "get_weather",
		InputSchema: anthropic.ToolInputSchemaParam{Properties: map[string]any{"city": map[string]string{"type": "string"}}},
	}}}
	whole, streamed = anthropicBoth(ctx, t, client, params)
	if whole.StopReason != anthropic.StopReasonToolUse || streamed.StopReason != whole.StopReason {
		t.Errorf("stop reasons %s and %s", whole.StopReason, streamed.StopReason)
	}
	for _, m := range []*anthropic.Message{whole, streamed} {
		var input struct{ City string }
		if err := json.Unmarshal(m.Content[0].Input, &input); err != nil || !strings.Contains(input.City, "city") {
			t.Errorf("input %s: %v", m.Content[0].Input, err)
		}
	}

	params.Model = "busy"
	var refused *anthropic.Error
	if _, err := client.Messages.New(ctx, params); !errors.As(err, &refused) || refused.StatusCode != 529 {
		t.Errorf("busy: %v", err)
	}
}

// anthropicBoth asks for the same answer whole and as a stream.
func anthropicBoth(ctx context.Context, t *testing.T, client anthropic.Client, params anthropic.MessageNewParams) (whole, streamed *anthropic.Message) {
	t.Helper()
	whole, err := client.Messages.New(ctx, params)
	if err != nil {
		t.Fatal(err)
	}
	stream := client.Messages.NewStreaming(ctx, params)
	streamed = &anthropic.Message{}
	for stream.Next() {
		if err := streamed.Accumulate(stream.Current()); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	return whole, streamed
}
