// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"minimoe"
)

func TestWindowsAreTheTokensThatWereAppended(t *testing.T) {
	d := smallDataset(t)
	tokens := smallTokens(200)
	num := ok(d.NumWindows("val", 8))(t)
	if num < 4 || ok(d.NumWindows("train", 8))(t) != 0 || ok(d.NumWindows("held-out-verbs", 8))(t) != 0 {
		t.Fatal(num)
	}
	window := ok(d.Window("val", 0, 0, 8))(t)
	if !slices.Equal(window.Tokens, tokens[150:159]) || len(window.Classes) != 0 {
		t.Fatalf("%+v", window)
	}
	if a, b := ok(d.Window("train", 1, 0, 8))(t), ok(d.Window("train", 2, 0, 8))(t); reflect.DeepEqual(a, b) {
		t.Fatal("the seed changes nothing")
	}
	info := ok(d.Info())(t)
	if info.Name != "memory" || info.VocabSize != 13 || !slices.Equal(info.Splits, []string{"val"}) {
		t.Fatalf("%+v", info)
	}
}

func TestBothWidthsAndBorrowedSlicesAreTheSameDataset(t *testing.T) {
	config := minimoe.MemoryConfig{VocabSize: 13, ValFraction: minimoe.Ptr(0.5), Name: "mine", ClassNames: []string{"odd", "even"}}
	wide := smallTokens(40)
	narrow, classes := make([]uint16, 40), make([]uint8, 40)
	for i, token := range wide {
		narrow[i], classes[i] = uint16(token), uint8(token%2)
	}
	appended, appended16 := ok(minimoe.NewDataset(config))(t), ok(minimoe.NewDataset(config))(t)
	must(t, appended.Append(wide, classes))
	must(t, appended16.AppendUint16(narrow, classes))
	want := ok(appended.Window("val", 0, 1, 4))(t)
	if len(want.Classes) != 5 || want.Classes[1] != uint8(want.Tokens[1]%2) {
		t.Fatalf("%+v", want)
	}
	borrowed := ok(minimoe.BorrowDataset(config, slices.Clone(wide), slices.Clone(classes)))(t)
	borrowed16 := ok(minimoe.BorrowDataset(config, slices.Clone(narrow), slices.Clone(classes)))(t)
	for range 3 { // the clones have no owner but the datasets
		runtime.GC()
	}
	for _, d := range []*minimoe.Dataset{appended16, borrowed, borrowed16} {
		if got := ok(d.Window("val", 0, 1, 4))(t); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, expected %+v", got, want)
		}
	}
}

func TestAReaderBecomesTokens(t *testing.T) {
	text := strings.Repeat("Übung macht den Meister. ", 6000) // more than one chunk
	d := ok(minimoe.NewDataset(minimoe.MemoryConfig{VocabSize: 256, ValFraction: minimoe.Ptr(0.5)}))(t)
	if n := ok(d.ReadText(iotest.HalfReader(strings.NewReader(text))))(t); n != int64(len(text)) {
		t.Fatal(n)
	}
	window := ok(d.Window("val", 0, 0, 30))(t)
	half := len(text) / 2
	for i, token := range window.Tokens {
		if token != int32(text[half+i]) {
			t.Fatalf("token %d is %d, expected %d", i, token, text[half+i])
		}
	}
	narrow := []uint16{1, 40000, 2, 65535, 7, 8}
	bin := ok(minimoe.NewDataset(minimoe.MemoryConfig{VocabSize: 65536, ValFraction: minimoe.Ptr(0.5)}))(t)
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(binary.Write(writer, binary.LittleEndian, narrow)) }()
	if n := ok(bin.ReadUint16(iotest.OneByteReader(reader)))(t); n != 6 {
		t.Fatal(n)
	}
	if got := ok(bin.Window("val", 0, 0, 2))(t); !slices.Equal(got.Tokens, []int32{65535, 7, 8}) {
		t.Fatal(got)
	}
}

func TestWhatWasReadBeforeAnErrorStays(t *testing.T) {
	d := ok(minimoe.NewDataset(minimoe.MemoryConfig{VocabSize: 256, ValFraction: minimoe.Ptr(0.5)}))(t)
	n, err := d.ReadText(io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<16)), iotest.ErrReader(io.ErrNoProgress)))
	wants(t, err, io.ErrNoProgress)
	if n != 1<<16 || ok(d.NumWindows("val", 64))(t) == 0 {
		t.Fatal(n)
	}
}

func TestATextFileIsItsBytesAndTheGrammarCorpusItsWords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bök.txt")
	must(t, os.WriteFile(file, []byte(strings.Repeat("to walk, walked. ", 100)), 0o600))
	config := ok(minimoe.DefaultConfig())(t)
	config.Data.Corpus = file
	book := ok(minimoe.OpenDataset(config))(t)
	if ids := ok(book.Encode("wa"))(t); !slices.Equal(ids, []int32{'w', 'a'}) || ok(book.Decode(ids))(t) != "wa" {
		t.Fatal(ids)
	}
	if fitted := ok(book.Fit(config))(t); fitted.Model.VocabSize != 256 {
		t.Fatalf("%+v", fitted.Model)
	}
	_, err := book.EntropyFloor("val", 8, 0)
	wants(t, err, minimoe.ErrUnsupported)

	config.Data.Corpus, config.Data.NumEvalSentences = "grammar", 50
	grammar := ok(minimoe.OpenDataset(config))(t)
	sentence := ok(grammar.Sentence("val", 0, 3))(t)
	if len(sentence.Tokens) == 0 || len(sentence.Classes) != len(sentence.Tokens) || sentence.Kind == "" {
		t.Fatalf("%+v", sentence)
	}
	again := ok(grammar.Encode(ok(grammar.Decode(sentence.Tokens))(t)))(t)
	if !slices.Equal(again, sentence.Tokens) {
		t.Fatalf("%v, expected %v", again, sentence.Tokens)
	}
	if floor := ok(grammar.EntropyFloor("val", 8, 0))(t); floor < 0.1 || floor > 5 {
		t.Fatal(floor)
	}
}
