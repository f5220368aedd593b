package usage

import (
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
)

// Gemini reads a usageMetadata object of Google's generateContent from valid
// JSON. In a stream every event carries the counts so far, and the last holds.
// promptTokenCount counts cached tokens; thoughts stand beside the candidates,
// and what tools put into the prompt beside the prompt.
func Gemini(raw []byte) model.Usage {
	var u model.Usage
	var tools model.Count
	jsonscan.Each(raw, func(key, value []byte) bool {
		switch string(key) {
		case `"promptTokenCount"`:
			set(&u.Input, value)
		case `"cachedContentTokenCount"`:
			set(&u.CachedRead, value)
		case `"toolUsePromptTokenCount"`:
			set(&tools, value)
		case `"candidatesTokenCount"`, `"responseTokenCount"`: // the latter in the Live API
			set(&u.Output, value)
		case `"thoughtsTokenCount"`:
			set(&u.Reasoning, value)
		case `"promptTokensDetails"`:
			u.AudioInput, u.ImageInput = modalities(value)
		case `"candidatesTokensDetails"`, `"responseTokensDetails"`:
			u.AudioOutput, u.ImageOutput = modalities(value)
		}
		return true
	})
	if !u.Input.Known && !u.Output.Known && !u.Reasoning.Known {
		return model.Usage{}
	}
	u.Source = model.UsageUpstream
	if u.Input.Known {
		u.Input.N += tools.Or(0)
	}
	if u.Reasoning.Known { // an answer that got no further than thoughts has no candidates
		u.Output = model.Known(u.Output.Or(0) + u.Reasoning.N)
	}
	return u
}

// modalities sums the audio and image tokens of a list by modality.
func modalities(raw []byte) (audio, image model.Count) {
	jsonscan.Each(raw, func(_, item []byte) bool {
		var into *model.Count
		var n model.Count
		jsonscan.Each(item, func(key, value []byte) bool {
			switch string(key) {
			case `"modality"`:
				switch string(value) {
				case `"AUDIO"`:
					into = &audio
				case `"IMAGE"`:
					into = &image
				}
			case `"tokenCount"`:
				set(&n, value)
			}
			return true
		})
		if into != nil && n.Known {
			*into = model.Known(into.Or(0) + n.N)
		}
		return true
	})
	return audio, image
}
