// The token lives as long as the tab: it survives a reload, and no other tab has it.

const KEY = 'workroom.token';

export const kept = (): string | null => sessionStorage.getItem(KEY);

export const keep = (token: string): void => sessionStorage.setItem(KEY, token);

export const forget = (): void => sessionStorage.removeItem(KEY);
