//! `Options`: what stands between an attribute's parentheses, `name` or `name = value`, the same for every attribute.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, ExprLit, Ident, Lit, LitInt, LitStr, Token, Type, UnOp};

use crate::duration;
use crate::mistakes::Mistakes;

/// One option as it was written.
#[derive(Debug)]
struct Written {
    name: Ident,
    value: Option<Expr>,
}

/// The options of one attribute: all known, none twice. Each `take_…` gives one of them away.
#[derive(Debug)]
pub(crate) struct Options {
    attribute: &'static str,
    written: Vec<Written>,
}

impl Options {
    /// Reads `tokens`, noting what is not an option, what `known` does not list, and what comes twice.
    pub(crate) fn read(
        attribute: &'static str,
        known: &[&str],
        tokens: TokenStream,
        mistakes: &mut Mistakes,
    ) -> Self {
        let mut options = Self { attribute, written: Vec::new() };
        let all = |input: ParseStream<'_>| {
            while !input.is_empty() {
                match written(input) {
                    Ok(option) => options.accept(option, known, mistakes),
                    Err(error) => {
                        mistakes.parser(error);
                        skip_to_comma(input)?;
                    }
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = all.parse2(tokens) {
            mistakes.parser(error);
        }
        options
    }

    fn accept(&mut self, option: Written, known: &[&str], mistakes: &mut Mistakes) {
        let name = option.name.unraw().to_string();
        if self.attribute == "`#[event]`" && name == "queue" {
            // What it meant is said better elsewhere now.
            mistakes.at(
                option.name.span(),
                "`queue` is gone: who hears the event says so now; write `#[event_listener(durable, id = \"mail\")]` on the \
                 listener, and `stored` here if this program has no such listener",
            );
        } else if !known.contains(&name.as_str()) {
            let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let meant = meant(&name, known).map(|it| format!(", did you mean `{it}`?"));
            let meant = meant.unwrap_or_else(|| ";".to_owned());
            mistakes.at(
                option.name.span(),
                format!("unknown option `{name}`{meant} {} takes {list}", self.attribute),
            );
        } else if self.written.iter().any(|earlier| earlier.name.unraw() == option.name.unraw()) {
            mistakes
                .at(option.name.span(), format!("`{name}` is given twice; keep one of the two"));
        } else {
            self.written.push(option);
        }
    }

    fn take(&mut self, name: &str) -> Option<Written> {
        let at = self.written.iter().position(|option| option.name.unraw() == name)?;
        Some(self.written.swap_remove(at))
    }

    /// Takes an option away that was found to be a mistake.
    pub(crate) fn forget(&mut self, name: &str) {
        self.take(name);
    }

    /// The span of option `name`, if it was written and is still to be taken.
    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        self.written
            .iter()
            .find(|option| option.name.unraw() == name)
            .map(|option| option.name.span())
    }

    /// Takes `name` away if it is the text `value`.
    pub(crate) fn take_if_text(&mut self, name: &str, value: &str) -> bool {
        let is = |expr: &Expr| matches!(expr, Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if text.value() == value);
        let written = self.written.iter().find(|option| option.name.unraw() == name);
        let found = written.and_then(|option| option.value.as_ref()).is_some_and(is);
        found && self.take(name).is_some()
    }

    /// `name` alone: whether it was written.
    pub(crate) fn take_flag(&mut self, name: &str, mistakes: &mut Mistakes) -> bool {
        let Some(option) = self.take(name) else { return false };
        if let Some(value) = option.value {
            mistakes.on(value, format!("`{name}` takes no value; write `{name}`, or leave it out"));
        }
        true
    }

    /// `name = <expression>`; `example` is a value to show to whoever leaves it out.
    pub(crate) fn take_expr(
        &mut self,
        name: &str,
        example: &str,
        mistakes: &mut Mistakes,
    ) -> Option<Expr> {
        let option = self.take(name)?;
        if option.value.is_none() {
            mistakes.at(
                option.name.span(),
                format!("`{name}` needs a value; write `{name} = {example}`"),
            );
        }
        option.value
    }

    /// `name = "text"`, not empty.
    pub(crate) fn take_text(
        &mut self,
        name: &str,
        example: &str,
        mistakes: &mut Mistakes,
    ) -> Option<LitStr> {
        let value = self.take_expr(name, example, mistakes)?;
        text(name, example, value, mistakes)
    }

    /// `name = "text"`, or `name = ["text", "text"]`.
    pub(crate) fn take_texts(
        &mut self,
        name: &str,
        example: &str,
        mistakes: &mut Mistakes,
    ) -> Vec<LitStr> {
        let values = match self.take_expr(name, example, mistakes) {
            None => return Vec::new(),
            Some(Expr::Array(array)) => array.elems.into_iter().collect(),
            Some(value) => vec![value],
        };
        values.into_iter().filter_map(|value| text(name, example, value, mistakes)).collect()
    }

    /// The trait objects that an option `as` names, each once; `why` says what they are for.
    pub(crate) fn take_trait_objects(
        &mut self,
        example: &str,
        why: &str,
        mistakes: &mut Mistakes,
    ) -> Vec<Type> {
        let mut objects: Vec<Type> = Vec::new();
        for text in self.take_texts("as", example, mistakes) {
            match text.parse::<Type>() {
                Ok(Type::TraitObject(object)) => {
                    let ty = Type::TraitObject(object);
                    if objects.contains(&ty) {
                        mistakes.on(
                            &text,
                            format!("`{}` is given twice; keep one of the two", text.value()),
                        );
                    } else {
                        objects.push(ty);
                    }
                }
                Ok(Type::Path(_)) => {
                    mistakes.on(&text, format!("{why}; write `as = \"dyn {}\"`", text.value()));
                }
                _ => mistakes.on(&text, format!("`as` names a trait; write `as = {example}`")),
            }
        }
        objects
    }

    /// `name = "60s"`.
    pub(crate) fn take_duration(
        &mut self,
        name: &str,
        mistakes: &mut Mistakes,
    ) -> Option<Duration> {
        let value = self.take_expr(name, "\"60s\"", mistakes)?;
        let said = match literal(value) {
            Ok(Lit::Str(text)) => match duration::parse(&text.value()) {
                Ok(duration) => return Some(duration),
                Err(said) => {
                    mistakes.at(text.span(), format!("`{name}`: {said}"));
                    return None;
                }
            },
            Ok(Lit::Int(number)) => (
                number.span(),
                format!("`{name}` needs a unit; write `{name} = \"{}s\"`", number.base10_digits()),
            ),
            Ok(other) => {
                (other.span(), format!("`{name}` is a duration; write `{name} = \"60s\"`"))
            }
            Err(other) => {
                mistakes.on(
                    other,
                    format!("`{name}` is a duration in a string; write `{name} = \"60s\"`"),
                );
                return None;
            }
        };
        mistakes.at(said.0, said.1);
        None
    }

    /// `name = 10`, or `-10`, within 32 bits.
    pub(crate) fn take_i32(&mut self, name: &str, mistakes: &mut Mistakes) -> Option<i32> {
        let value = self.take_expr(name, "10", mistakes)?;
        let (negative, number) = match value {
            Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => (true, *unary.expr),
            other => (false, other),
        };
        match literal(number) {
            Ok(Lit::Int(number)) => {
                let parsed =
                    number.base10_parse::<i64>().ok().map(|n| if negative { -n } else { n });
                let fits = parsed.and_then(|n| i32::try_from(n).ok());
                if fits.is_none() {
                    mistakes.at(
                        number.span(),
                        format!("`{name}` does not fit 32 bits; write a smaller number"),
                    );
                }
                fits
            }
            Ok(other) => {
                mistakes.on(other, format!("`{name}` is a whole number; write `{name} = 10`"));
                None
            }
            Err(other) => {
                mistakes
                    .on(other, format!("`{name}` is a whole number literal; write `{name} = 10`"));
                None
            }
        }
    }

    /// `name = 1`, from 0 to `u32::MAX`.
    pub(crate) fn take_u32(&mut self, name: &str, mistakes: &mut Mistakes) -> Option<LitInt> {
        match literal(self.take_expr(name, "1", mistakes)?) {
            Ok(Lit::Int(number)) if number.base10_parse::<u32>().is_ok() => Some(number),
            Ok(other) => {
                mistakes.on(
                    other,
                    format!("`{name}` is a whole number, not negative; write `{name} = 1`"),
                );
                None
            }
            Err(other) => {
                mistakes.on(
                    other,
                    format!("`{name}` is a whole number, not negative; write `{name} = 1`"),
                );
                None
            }
        }
    }
}

/// The option that `name` was to be, if one is at most two letters from it, and half of it at most.
fn meant<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|it| (distance(name, it), *it)).min()?;
    (near.0 <= 2 && near.0 * 2 <= name.chars().count()).then_some(near.1)
}

/// How many letters have to be added, removed or replaced to make the one of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.chars().count()]
}

fn text(name: &str, example: &str, value: Expr, mistakes: &mut Mistakes) -> Option<LitStr> {
    let said = match literal(value) {
        Ok(Lit::Str(text)) if !text.value().trim().is_empty() => return Some(text),
        Ok(Lit::Str(text)) => {
            (text.into_token_stream(), format!("`{name}` is empty; write `{name} = {example}`"))
        }
        Ok(other) => {
            (other.into_token_stream(), format!("`{name}` is a string; write `{name} = {example}`"))
        }
        Err(other) => (
            other.into_token_stream(),
            format!("`{name}` is a string literal; write `{name} = {example}`"),
        ),
    };
    mistakes.on(said.0, said.1);
    None
}

fn literal(value: Expr) -> Result<Lit, Box<Expr>> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Ok(lit),
        Expr::Group(group) => literal(*group.expr),
        other => Err(Box::new(other)),
    }
}

fn written(input: ParseStream<'_>) -> syn::Result<Written> {
    if !input.peek(Ident::peek_any) {
        return Err(input.error("options are written by name; write `name = value`"));
    }
    let name = input.call(Ident::parse_any)?;
    if input.peek(Token![:]) || input.peek(syn::token::Paren) {
        return Err(input.error(format!("write `{name} = value`")));
    }
    let value = match input.parse::<Option<Token![=]>>()? {
        Some(equals) if input.is_empty() || input.peek(Token![,]) => {
            return Err(syn::Error::new(
                equals.span,
                format!("`{name} =` lacks its value; write `{name} = value`"),
            ));
        }
        Some(_) => Some(input.parse()?),
        None => None,
    };
    if !input.is_empty() && !input.peek(Token![,]) {
        return Err(input.error("options are separated by commas; put a `,` before this"));
    }
    Ok(Written { name, value })
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn read(tokens: TokenStream) -> (Options, Mistakes) {
        let mut mistakes = Mistakes::default();
        let options =
            Options::read("`#[x]`", &["order", "spawn", "timeout", "as"], tokens, &mut mistakes);
        (options, mistakes)
    }

    #[test]
    fn values_and_flags_are_taken_by_name() {
        let (mut options, mut mistakes) =
            read(quote!(order = -3, spawn, timeout = "5s", as = "dyn A"));
        assert_eq!(options.take_i32("order", &mut mistakes), Some(-3));
        assert!(options.take_flag("spawn", &mut mistakes));
        assert_eq!(options.take_duration("timeout", &mut mistakes), Some(Duration::from_secs(5)));
        assert_eq!(
            options.take_text("as", "", &mut mistakes).map(|t| t.value()),
            Some("dyn A".into())
        );
        assert!(!options.take_flag("spawn", &mut mistakes), "taken once");
        assert!(mistakes.is_empty());
    }

    #[test]
    fn one_round_reports_the_unknown_the_doubled_and_the_malformed() {
        let (_, mistakes) = read(quote!(oder = 1, order = 1, order = 2, timeout: 5, "text", spawn));
        let said = mistakes.into_tokens().to_string();
        assert_eq!(said.matches("compile_error").count(), 4, "{said}");
    }

    #[test]
    fn an_option_that_is_nearly_right_is_taken_for_a_slip() {
        let known = ["order", "timeout", "id", "spawn"];
        assert_eq!(meant("timout", &known), Some("timeout"));
        assert_eq!(meant("time_outs", &known), Some("timeout"));
        assert_eq!(meant("oredr", &known), Some("order"));
        assert_eq!(meant("di", &["id"]), None, "two letters of two");
        assert_eq!(meant("priority", &known), None);
        assert_eq!(meant("", &known), None);
    }

    #[test]
    fn a_number_for_a_duration_is_told_its_unit() {
        let (mut options, mut mistakes) = read(quote!(timeout = 60));
        assert_eq!(options.take_duration("timeout", &mut mistakes), None);
        assert!(mistakes.into_tokens().to_string().contains("60s"));
    }
}
