// Simvet reports what a deterministic simulation cannot control; see package
// simvet for the rules.
//
//	simvet ./...                                   alone
//	go vet -vettool=$(which simvet) ./...          as part of go vet
//	simvet -list-allows ./...                      the exceptions, by rule
package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/analysis/singlechecker"

	"github.com/maculamesh/macula/simvet"
)

func main() {
	if len(os.Args) > 1 && strings.TrimLeft(os.Args[1], "-") == "list-allows" {
		if err := list(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	singlechecker.Main(simvet.Analyzer)
}

func list(patterns []string) error {
	if len(patterns) == 0 {
		patterns = []string{"."}
	}
	allows, err := simvet.List(".", patterns...)
	if err != nil {
		return err
	}
	return simvet.Print(os.Stdout, allows)
}
