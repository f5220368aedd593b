package mock

import (
	"math/rand/v2"
	"strings"
)

// Sentences that are true of any topic; %s is the topic.
var sentences = [...]string{
	"It helps to say first what a good answer to “%s” would look like, and only then to look for one.",
	"A useful first step is to split the question into the part that is known and the part that is a guess.",
	"Most people who ask about “%s” want one concrete example before any theory.",
	"Small numbers make good tests: try the idea on three cases that you can check by hand.",
	"Write down what would change your mind, so that you notice it when it happens.",
	"When two explanations fit, the one that predicts something new deserves the next hour of work.",
	"For “%s”, the costs are easier to count than the benefits, so count them first.",
	"Ask who has to live with the result, and what they would call a success.",
	"A rough answer today is often worth more than an exact one next week.",
	"It is worth checking whether “%s” has a simpler neighbour that is already solved.",
	"Measure before and after, with the same ruler, on a quiet machine.",
	"If the plan needs everything to go well, it is a wish and not a plan.",
	"The part that seems obvious is where a second look pays most.",
	"Good defaults spare most readers a decision, and good names spare them a manual.",
	"Keep the first version of “%s” small enough to throw away without regret.",
	"Where opinions differ, look for the fact that both sides would accept.",
	"An estimate without a range is a promise that nobody made.",
	"What is not known about “%s” should stay marked as unknown, not become a zero.",
	"Readers remember the order of things, so put the conclusion where they begin.",
	"A short list of three points beats a long one of nine.",
	"Before you optimise, find out where the time really goes.",
	"Someone has probably met this problem in another field, under another name.",
	"The limits of a method belong beside its results, in the same size of type.",
	"If “%s” has to be explained twice, the second explanation is usually the one to keep.",
}

// speech writes about n tokens on the topic of the prompt, in whole sentences.
func speech(p *Profile, q *prompt, rng *rand.Rand, n int) string {
	var b strings.Builder
	b.Grow(n * 6)
	topic := plainTopic(q.topic)
	b.WriteString("This is ")
	b.WriteString(p.Name)
	if q.fromTool {
		b.WriteString(", a demo model without a mind of its own. The tool has answered, thank you; about “")
	} else {
		b.WriteString(", a demo model without a mind of its own. You asked about “")
	}
	b.WriteString(topic)
	b.WriteString("”.")
	tokens := int(countPieces(b.String()))
	for tokens < n {
		for i, k := range rng.Perm(len(sentences)) {
			if tokens >= n {
				break
			}
			start := b.Len()
			switch i {
			case 0:
				b.WriteString("\n\n")
			default:
				b.WriteByte(' ')
			}
			before, after, found := strings.Cut(sentences[k], "%s")
			b.WriteString(before)
			if found {
				b.WriteString(topic)
				b.WriteString(after)
			}
			tokens += int(countPieces(b.String()[start:]))
		}
	}
	return b.String()
}

// plainTopic is the topic, or a stand-in where there is none.
func plainTopic(topic string) string {
	if topic == "" {
		return "something without words"
	}
	return topic
}

// thoughts writes about n tokens of reasoning.
func thoughts(topic string, n int) string {
	const step = "Let me look at “%s” from one more side, weigh it, and note what is still open. "
	text := strings.Replace(step, "%s", plainTopic(topic), 1)
	per := int(countPieces(text))
	return strings.Repeat(text, max(1, (n+per/2)/per))
}

// jsonSpeech is the answer where a JSON object is demanded without a schema.
func jsonSpeech(p *Profile, q *prompt) string {
	b := appendString([]byte(`{"topic":`), plainTopic(q.topic))
	b = appendString(append(b, `,"answer":`...), "This is "+p.Name+", a demo model without a mind of its own.")
	return string(append(b, '}'))
}
