// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The programs of docs/go.md, in order, and what each must print.
var documented = []struct {
	name   string
	prints string
}{
	{"quickstart", `(?s)^step 1: loss 7\.\d\d, balance \d\.\d\d\n.*\nstep 20: loss \d\.\d\d, balance \d\.\d\d\nuntested .+\n$`},
	{"cancelling", `^true true true\n$`},
	{"layer", `^16 tokens\n$`},
}

func TestTheProgramsOfTheDocumentRunAsWrittenThere(t *testing.T) {
	text, err := os.ReadFile("../../docs/go.md")
	if os.IsNotExist(err) {
		t.Skip("docs/go.md is not here: this is a copy of the module alone")
	}
	must(t, err)
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != len(documented) {
		t.Fatalf("%d blocks, expected %d", len(blocks), len(documented))
	}
	module := t.TempDir()
	here := ok(os.Getwd())(t)
	write(t, filepath.Join(module, "go.mod"), fmt.Sprintf(
		"module example.org/documented\n\ngo 1.24\n\nrequire minimoe v0.1.0\n\nreplace minimoe => %s\n", here))
	for i, block := range blocks {
		must(t, os.Mkdir(filepath.Join(module, documented[i].name), 0o755))
		write(t, filepath.Join(module, documented[i].name, "main.go"), block[1])
	}
	programs := t.TempDir()
	run(t, module, "go", "build", "-o", programs+"/", "./...")
	for _, program := range documented {
		t.Run(program.name, func(t *testing.T) {
			if got := run(t, module, filepath.Join(programs, program.name)); !regexp.MustCompile(program.prints).MatchString(got) {
				t.Fatalf("prints %q, expected %s", got, program.prints)
			}
		})
	}
}

func TestAProgramCanVendorThePackage(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the package once more")
	}
	module := t.TempDir()
	here := ok(os.Getwd())(t)
	write(t, filepath.Join(module, "go.mod"), fmt.Sprintf(
		"module example.org/vendored\n\ngo 1.24\n\nrequire minimoe v0.1.0\n\nreplace minimoe => %s\n", here))
	write(t, filepath.Join(module, "main.go"),
		"package main\n\nimport \"minimoe\"\n\nfunc main() { print(minimoe.Version()) }\n")
	run(t, module, "go", "mod", "vendor")
	for _, file := range []string{"raw.go", "raw_wrap.c", "callbacks.c", "callbacks.h"} {
		if _, err := os.Stat(filepath.Join(module, "vendor/minimoe/internal/raw", file)); err != nil {
			t.Error(err)
		}
	}
	program := filepath.Join(module, "vendored")
	run(t, module, "go", "build", "-mod=vendor", "-o", program, ".")
	if got := run(t, module, program); !strings.HasPrefix(got, "0.") {
		t.Fatal(got)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// run gives what a command prints.
func run(t *testing.T, dir string, name string, args ...string) string {
	t.Helper()
	command := exec.Command(name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if name == "go" && len(args) > 1 && args[1] == "-mod=vendor" {
		command.Env = append(command.Env, "GOFLAGS=")
	}
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
	return string(output)
}
